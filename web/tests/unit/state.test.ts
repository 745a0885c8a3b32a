import { describe, expect, test } from "vitest";
import {
  bringForward,
  enterPart,
  fit,
  follow,
  fromHash,
  INITIAL,
  isolate,
  lastShown,
  MOST_HEADS,
  pin,
  rowsOf,
  showUpTo,
  shownTokens,
  type State,
  step,
  stepToken,
  toggle,
  toHash,
  unpin,
} from "../../src/state";
import { partAt } from "../../src/model/trace";
import { itself, pair, trace, traceOfTwo, words } from "./tensors";

const tokens = pair("the cat sat", "a dog");
const tiny = trace(tokens);
const at = (layer: number, head: number) => isolate(INITIAL, { layer, head });

describe("a text that the model continued", () => {
  const continued = { ...tiny, prompt: 3 };
  const shown = (state: State) => shownTokens(state, tokens).length;

  test("is shown up to a token, the prompt at least", () => {
    expect(shown(INITIAL)).toBe(tokens.length);
    expect(shown(showUpTo(INITIAL, 5, continued))).toBe(5);
    expect(shown(showUpTo(INITIAL, 0, continued))).toBe(3);
    expect(showUpTo(INITIAL, 99, continued).upTo).toBeNull();
    expect(lastShown(showUpTo(INITIAL, 5, continued), tokens)).toBe(4);
  });

  test("frees what is pinned behind it", () => {
    const pinned = pin(INITIAL, "query", 6);
    expect(showUpTo(pinned, 7, continued).focus.query).toBe(6);
    expect(showUpTo(pinned, 6, continued).focus.query).toBeNull();
  });

  test("no other text is cut", () => {
    expect(fit({ ...INITIAL, upTo: 2 }, tiny).upTo).toBeNull();
    expect(showUpTo(INITIAL, 2, tiny).upTo).toBeNull();
    expect(fit({ ...INITIAL, upTo: 99 }, continued).upTo).toBeNull();
  });
});

describe("the link", () => {
  const states: [string, State][] = [
    ["the first state", INITIAL],
    ["a head", at(1, 11)],
    ["several heads", toggle(toggle(at(1, 2), { layer: 0, head: 0 }), { layer: 1, head: 1 })],
    ["a pinned query", pin(at(1, 2), "query", 4)],
    ["a pinned key", pin(at(1, 2), "key", 0)],
    [
      "everything",
      {
        ...pin(at(3, 4), "key", 2),
        view: "tokens",
        flow: "ba",
        special: "hidden",
        scale: "linear",
        top: "fit",
        drawing: "curves",
        summary: "mean",
        zoom: { row: 3, column: 120.5, cell: 17.2 },
        order: "same_word",
        upTo: 5,
        theme: "dark",
      },
    ],
  ];
  test.each(states)("round trip of %s", (_, state) => {
    expect(fromHash(toHash(state, null), INITIAL)).toEqual({ state, texts: null, beside: null });
  });

  test.each([
    [["one text"]],
    [["The cat & the dog = 100 % #1", "naïve 東京 😀\n\ttab </script>"]],
    [["", ""]],
  ])("round trip of %j", (texts) => {
    expect(fromHash(toHash(INITIAL, texts), INITIAL).texts).toEqual(texts);
    expect(fromHash(toHash(INITIAL, ["x"], texts), INITIAL)).toMatchObject({ texts: ["x"], beside: texts });
  });

  test.each(["", "#", "#head=x.y", "#head=-1.2&query=abc&flow=zz", "#heads=1.1.1 9&view=none&theme=<b>",
    "#zoom=1 2&summary=least&drawing=oils", "#zoom=-1.0 2.0 3.0", "#zoom=1e9 0.0 1.0"])(
    "what makes no sense in %j is left out",
    (hash) => expect(fromHash(hash, INITIAL)).toEqual({ state: INITIAL, texts: null, beside: null }),
  );

  test("what it does not say is as the host wants it", () => {
    const base = { ...at(1, 2), view: "tokens" as const };
    expect(fromHash("#theme=dark", base).state).toEqual({ ...base, theme: "dark" });
  });
});

describe("heads", () => {
  test("toggle adds, brings forward, and removes", () => {
    const two = toggle(at(0, 0), { layer: 1, head: 2 });
    expect(two.heads).toHaveLength(2);
    expect(two.focus).toMatchObject({ layer: 1, head: 2 });
    const back = toggle(two, { layer: 1, head: 2 });
    expect(back.heads).toEqual([{ layer: 0, head: 0 }]);
    expect(back.focus).toMatchObject({ layer: 0, head: 0 });
    expect(toggle(back, { layer: 0, head: 0 })).toBe(back);
  });

  test("no more than can be told apart", () => {
    let state = at(0, 0);
    for (let head = 1; head < 40; head++) state = toggle(state, { layer: 0, head });
    expect(state.heads).toHaveLength(MOST_HEADS);
  });

  test("bringing one forward keeps the colours' order", () => {
    const two = toggle(at(0, 0), { layer: 1, head: 2 });
    expect(bringForward(two, { layer: 0, head: 0 }).heads).toEqual(two.heads);
  });

  test("steps stop at the edges", () => {
    expect(step(at(0, 0), -1, 0, tiny).focus).toMatchObject({ layer: 0, head: 0 });
    expect(step(at(1, 2), 1, 1, tiny).focus).toMatchObject({ layer: 1, head: 2 });
    expect(step(at(0, 1), 1, 1, tiny).focus).toMatchObject({ layer: 1, head: 2 });
  });
});

describe("tokens", () => {
  test("pinning again frees, and Escape frees", () => {
    const pinned = pin(INITIAL, "query", 2);
    expect(pinned.focus.query).toBe(2);
    expect(pin(pinned, "query", 2).focus.query).toBeNull();
    expect(pin(pinned, "key", 1).focus).toMatchObject({ query: null, key: 1 });
    expect(unpin(pinned).focus).toMatchObject({ query: null, key: null });
  });

  test("steps skip hidden tokens", () => {
    const hidden: State = { ...INITIAL, special: "hidden" };
    const first = stepToken(hidden, 1, itself(tokens));
    expect(first.focus.query).toBe(1);
    expect(stepToken(pin(hidden, "query", 3), 1, itself(tokens)).focus.query).toBe(5);
    expect(stepToken(pin(hidden, "query", 6), 1, itself(tokens)).focus.query).toBe(6);
    expect(stepToken(hidden, -1, itself(tokens)).focus.query).toBe(6);
  });

  test("a pinned token is found again in a changed text", () => {
    const changed = pair("the big cat sat", "a dog");
    expect(follow(2, tokens, changed)).toBe(3);
    expect(follow(6, tokens, changed)).toBe(7);
    expect(follow(2, tokens, pair("the mouse sat", "a dog"))).toBeNull();
    expect(follow(null, tokens, changed)).toBeNull();
  });
});

describe("fit", () => {
  test("keeps what the trace has", () => {
    const state = pin(toggle(at(0, 0), { layer: 1, head: 2 }), "query", 3);
    expect(fit(state, tiny)).toEqual(state);
  });

  test("puts right what it does not have", () => {
    const state: State = { ...pin(at(7, 7), "query", 99), flow: "ab", order: "none" };
    const one = trace(tokens.filter(({ segment }) => segment === 0));
    expect(fit(state, one)).toMatchObject({
      focus: { layer: 0, head: 0, query: null },
      flow: "all",
      order: "layer",
    });
  });

  test("frees a pinned token that is hidden", () => {
    expect(fit({ ...pin(INITIAL, "query", 0), special: "hidden" }, tiny).focus.query).toBeNull();
  });

  test("draws no head twice", () => {
    const { state } = fromHash("#head=1.1&heads=1.1 1.1 0.2 1.1", INITIAL);
    expect(fit(state, tiny).heads).toEqual([
      { layer: 1, head: 1 },
      { layer: 0, head: 2 },
    ]);
  });
});

describe("two stacks", () => {
  const two = traceOfTwo(words("the dog ran home [/s]"), words("[s] der hund"));
  const [encoder, decoder, cross] = two.parts;

  test("are three parts, with the tokens and heads of each", () => {
    expect(two.parts.map(({ key, layers, heads }) => [key, layers, heads])).toEqual([
      ["encoder", [0, 1], 3],
      ["decoder", [2], 2],
      ["cross", [3], 2],
    ]);
    expect([cross.queries.length, cross.keys.length]).toEqual([3, 5]);
    expect([decoder.queries.length, encoder.keys.length]).toEqual([3, 5]);
    expect(partAt(two, 3)).toBe(cross);
  });

  test("a part is entered at the same layer and head, as far as it has them, with nothing pinned", () => {
    const state = enterPart(pin(at(1, 2), "query", 4), cross, two);
    expect(state.focus).toEqual({ layer: 3, head: 1, query: null, key: null });
    expect(enterPart(state, encoder, two).focus).toMatchObject({ layer: 0, head: 1 });
    expect(enterPart(state, cross, two)).toBe(state);
  });

  test("steps stay in their part", () => {
    expect(step(at(1, 2), 1, 1, two).focus).toMatchObject({ layer: 1, head: 2 });
    expect(step(at(3, 1), -1, 1, two).focus).toMatchObject({ layer: 3, head: 1 });
  });

  test("a link's heads of other parts and tokens of other texts are left out", () => {
    const { state } = fromHash("#head=3.0&heads=3.0 0.1 3.1 3.2&key=4", INITIAL);
    expect(fit(state, two)).toMatchObject({
      heads: [
        { layer: 3, head: 0 },
        { layer: 3, head: 1 },
      ],
      focus: { query: null, key: 4 },
    });
    expect(fit({ ...pin(at(3, 0), "query", 4) }, two).focus.query).toBeNull();
  });

  test("what the decoder wrote is shown up to a token, and the source whole", () => {
    const written = { ...two, prompt: 1 };
    const state = showUpTo(at(3, 0), 2, written);
    expect([rowsOf(state, cross, "query"), rowsOf(state, cross, "key").length]).toEqual([[0, 1], 5]);
    expect(rowsOf(state, decoder, "key")).toEqual([0, 1]);
    expect(rowsOf(state, encoder, "query")).toHaveLength(5);
  });

  test("tokens are stepped through on the side that is pinned", () => {
    expect(stepToken(pin(at(3, 0), "query", 2), 1, cross).focus.query).toBe(2);
    expect(stepToken(pin(at(3, 0), "key", 3), 1, cross).focus.key).toBe(4);
  });
});
