import { expect, test } from "vitest";
import { Session } from "../../src/session";
import { LocalHost, type Request } from "../../src/model/host";
import { isolate } from "../../src/state";
import { rule, safetensors, words } from "./tensors";

const TOKENS = words("the cat sat on the mat");
const N = TOKENS.length;

/** A host that keeps what it is asked until a test answers. */
class Asked extends LocalHost {
  readonly requests: Request[] = [];

  send(content: Request): void {
    this.requests.push(content);
  }

  /** Answers the oldest question of a kind. */
  answer(kind: "pattern" | "exact", values: number[], within: string | null = null) {
    const at = this.requests.findIndex((request) => request.kind === kind);
    const [content] = this.requests.splice(at, 1) as [Extract<Request, { kind: "exact" }>];
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    this.reply(kind === "exact" ? content : { ...content, kind: "pattern", within }, bytes);
  }
}

function begun(): { host: Asked; session: Session } {
  const sites = ["blocks.0.attn", "blocks.1.attn"];
  const metadata = {
    card: { id: "tiny", family: "bert", dtype: "f32", revision: null, kernel: "none", row_sum_error: 0 },
    encoding: { text: "", parts: [[0, 0]], tokens: TOKENS },
    blocks: sites,
    rules: sites.map((site) => rule(site, 2)),
    metrics: [],
  };
  const overview = safetensors(
    Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])),
    {
      metrics: { dtype: "F32", shape: [0, 2, 2], values: [] },
      atlas: { dtype: "U8", shape: [2, 2, 1, 1], values: [1, 2, 3, 4] },
    },
  );
  const host = new Asked({ overview, editable: false, focus: { layer: 0, head: 0 } });
  const session = new Session(host, "#head=0.0");
  return { host, session };
}

const flat = new Array(N * N).fill(1 / N);

test("where weights come rounded, all digits are asked for of what is looked at, once, and put in their place", () => {
  const { host, session } = begun();
  host.answer("pattern", flat, "1.5e-5");
  expect(session.shown.value!.within).toBe("1.5e-5");
  session.hover.set({ query: 2, key: null });
  const asked = host.requests.filter(({ kind }) => kind === "exact");
  expect(asked).toMatchObject([{ layer: 0, head: 0, query: 2, key: 2 }]);
  session.hover.set({ query: 3, key: null });
  expect(host.requests.filter(({ kind }) => kind === "exact").length).toBe(1); // the next waits for the answer
  const [row, column] = [[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.6, 0.2, 0.1, 0.3, 0.3, 0.3]];
  host.answer("exact", [...row, ...column]);
  const pattern = session.shown.value!.pattern({ layer: 0, head: 0 })!;
  const close = (found: number[], expected: number[]) =>
    found.forEach((weight, i) => expect(weight).toBeCloseTo(expected[i], 6));
  close([...pattern.subarray(2 * N, 3 * N)], row);
  close(row.map((_, query) => pattern[query * N + 2]), column);
  expect(pattern[0]).toBeCloseTo(1 / N, 6);
  expect(session.refined.value).toBe(1);
  expect(host.requests.filter(({ kind }) => kind === "exact")).toMatchObject([{ query: 3, key: 3 }]);
  host.answer("exact", [...row, ...column]);
  session.hover.set({ query: 2, key: null });
  expect(host.requests.filter(({ kind }) => kind === "exact")).toEqual([]);
  session.close();
});

test("weights that come with all digits are asked for no more", () => {
  const { host, session } = begun();
  host.answer("pattern", flat);
  session.hover.set({ query: 2, key: 1 });
  expect(host.requests.filter(({ kind }) => kind === "exact")).toEqual([]);
  session.close();
});

test("heads are fetched ahead one at a time, when nothing else is on its way, and change no picture", async () => {
  const { host, session } = begun();
  const rest = () => new Promise((done) => setTimeout(done, 60));
  await rest();
  expect(host.requests.length).toBe(1); // the first picture
  host.answer("pattern", flat);
  await rest();
  expect(host.requests).toMatchObject([{ kind: "pattern", layer: 0, head: 1 }]);
  await rest();
  expect(host.requests.length).toBe(1);
  const before = session.arrivals.value;
  host.answer("pattern", flat);
  expect(session.arrivals.value).toBe(before);
  await rest();
  expect(host.requests).toMatchObject([{ kind: "pattern", layer: 1, head: 0 }]);
  session.update((state) => isolate(state, { layer: 1, head: 1 }));
  expect(host.requests).toMatchObject([{ head: 0 }, { layer: 1, head: 1 }]);
  session.close();
});
