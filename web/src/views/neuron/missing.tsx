/** What the neuron view says where queries and keys are missing. */

import type { Trace } from "../../model/trace";
import type { VectorName } from "../../model/vectors";

const NAMES: Record<VectorName, string> = {
  q: "the queries",
  k: "the keys",
  q_pre: "the queries before rotation",
  k_pre: "the keys before rotation",
  pos_q: "the vectors of distances that keys meet",
  pos_k: "the vectors of distances that queries meet",
};

const CAPTURE = `import headscope as hs
hs.capture(model, tokenizer=tokenizer, **inputs).view("neuron")`;

/** Whether weights were given alone, of a model that nobody named. */
function isGiven({ card }: Trace): boolean {
  return card.family === "";
}

export function Missing({ trace, layer, missing }: { trace: Trace; layer: number; missing: VectorName[] }) {
  const names = missing.map((name) => NAMES[name]).join(" and ");
  const isLeftOut = missing.some((name) => trace.leftOut.includes(name));
  const sites = ["*attn.pattern", "*attn.q*", "*attn.k*"];
  const { position } = trace.rules[layer];
  if (position && "disentangled" in position) sites.push("*attn.pos_*");
  const [how, code] = isLeftOut
    ? ["The app has them:", 'headscope "TEXT"']
    : isGiven(trace)
      ? ["In Python, these lines watch the model and show them:", CAPTURE]
      : [
          "These commands record and show them:",
          `headscope trace "TEXT" -o t.safetensors --sites "${sites.join(",")}"\nheadscope open t.safetensors`,
        ];
  return (
    <div class="missing" data-testid="neuron-missing">
      <p>
        The weight is there, but not the numbers behind it: {names}{" "}
        {isLeftOut ? "were left out of this page, which would be too large with them." : "were not recorded."}
      </p>
      <p class="quiet">{how}</p>
      <pre tabIndex={0}>{code}</pre>
    </div>
  );
}
