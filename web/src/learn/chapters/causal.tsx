/** Chapter 8: the same attention with and without a look ahead. */

import { useMemo, useState } from "preact/hooks";
import type { HeadId, Trace } from "../../model/trace";
import { percent } from "../../parts/percent";
import { MatrixView } from "../../views/matrix";
import type { ChapterProps } from ".";
import { headOf, readableHead } from "../choice";
import { Figure, Live } from "../figures/figure";
import { HeadPicker, HeadSteps } from "../figures/pickers";
import { SceneView } from "../figures/view";

const CAUSAL = { mask: "causal" } as const;

export function Causal(props: ChapterProps) {
  const { scenes, place, palette } = props;
  const { pair, decoder } = scenes;
  const head = headOf(place, scenes);
  const ahead = useMemo(() => shareAhead(pair.pattern(head), pair.tokens.length), [pair, head.layer, head.head]);
  return (
    <>
      <div class="prose">
        <p>
          BERT, and {pair.trace.card.id} here, is an <em>encoder</em>: it reads a finished text, and every token may look
          in both directions. It was trained by covering words up and guessing them from both sides. Good for
          understanding: search, sorting, comparing.
        </p>
        <p>
          GPT is a <em>decoder</em>: it writes, one token after the other, always guessing the next. When it is trained
          on a finished text, no token may look at those after it, or it would read the answer. So the mask has a 0 for
          everything to the right, the <em>causal mask</em>: in the picture, everything above the diagonal is empty. The
          rest is the mechanism that you know.
        </p>
        <p>
          In this head <Live of="ahead">{percent(ahead)}</Live> of the weight goes ahead, to tokens that come later. Under
          the causal mask it must go elsewhere, by the rule of chapter 2: every row adds up to 1 again. The first token
          can only look at itself.
        </p>
        {decoder ? (
          <p>
            The third picture is a real decoder, {decoder.trace.card.id}, on sentence A. It cuts the text into tokens of
            its own, and was trained under this mask.
          </p>
        ) : (
          <p>
            No decoder is at hand on this page, so the mask is laid over the encoder’s own scores. The weights are exact,
            but no model was trained to look like this. <code>headscope learn --decoder MODEL</code> sets a real one
            beside it.
          </p>
        )}
      </div>
      <Figure
        name="causal"
        caption={
          <>
            Layer {head.layer}, head {head.head} of {pair.trace.card.id}: the weights as they are, and what the same
            queries and keys give under a causal mask. Each line is a token looking, each column one looked at.
          </>
        }
      >
        <HeadPicker {...props} />
        <div class="two">
          <section aria-label="Encoder">
            <h3>Both ways</h3>
            <SceneView scene={pair} head={head} query={null} palette={palette} View={MatrixView} height={400} />
          </section>
          <section aria-label="Under a causal mask">
            <h3>Backwards only</h3>
            <SceneView scene={pair} head={head} query={null} change={CAUSAL} palette={palette} View={MatrixView} height={400} />
          </section>
        </div>
        {decoder && <Decoder {...props} />}
      </Figure>
    </>
  );
}

function Decoder({ scenes, palette }: ChapterProps) {
  const scene = scenes.decoder!;
  const [chosen, choose] = useState<HeadId | null>(null);
  const head = fits(chosen, scene.trace) ? chosen! : readableHead(scene.trace);
  return (
    <section class="block" data-testid="decoder">
      <h3>
        {scene.trace.card.id} <span class="label">layer {head.layer}, head {head.head}, on sentence A</span>
      </h3>
      <HeadSteps id={head} of={scene.trace} onChange={choose} />
      <SceneView scene={scene} head={head} query={null} palette={palette} View={MatrixView} height={360} />
    </section>
  );
}

function fits(id: HeadId | null, { layers, heads }: Trace): boolean {
  return id !== null && id.layer < layers && id.head < heads;
}

/** The share of the weight above the diagonal. */
function shareAhead(pattern: Float32Array, n: number): number {
  let sum = 0;
  for (let query = 0; query < n; query++) {
    for (let key = query + 1; key < n; key++) sum += pattern[query * n + key];
  }
  return sum / n;
}
