/** What the picture means, and the keys. */

import { useLayoutEffect, useRef } from "preact/hooks";

const KEYS: [string, string][] = [
  ["← →", "previous, next head"],
  ["↑ ↓", "layer above, below"],
  ["Shift + arrow", "add that head to the picture"],
  ["j k", "next, previous token"],
  ["Shift + j k", "the other token of a pinned pair"],
  ["Esc", "free the pinned token"],
  ["1 … 6", "head, matrix, text, neuron, model, tokens"],
  ["+ − 0", "matrix: nearer, farther, all of it"],
  ["Enter", "matrix: pin what the token is most joined to"],
  ["e", "encoder, decoder, cross"],
  ["f", "next edge filter"],
  ["s", "special tokens on, off"],
  ["w", "pieces, words, sentences"],
  [", .", "one written token less, more"],
  ["?", "this page"],
];

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (open && !dialog.current!.open) dialog.current!.showModal();
    if (!open && dialog.current!.open) dialog.current!.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      data-testid="help-page"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="help-body">
        <div class="heading">
          <h2 id="help-title">Reading the picture</h2>
          <button class="icon" aria-label="Close" onClick={onClose}>
            ×
          </button>
        </div>
        <p>
          Each token on the left attends to the tokens on the right. A curve’s width and opacity show the
          weight; the weights of one token add up to 1. Hover over a token to see its weights as numbers,
          click to pin it. On the right side the same shows which tokens attend to it. In a long text, curves
          that reach far are drawn thinner, so that they do not bury the others. Of an encoder-decoder each
          stack has a tab, and so has what is between them: there the target is on the left, the source on
          the right.
        </p>
        <p>
          The thumbnails at the left are all heads. Click one to draw it, Shift-click to draw several,
          double-click to draw one alone. Without special tokens the remaining weights are scaled to add up to
          1 again, and the amount taken out is stated.
        </p>
        <p>Attention shows where a head reads. It does not show why the model answers as it does.</p>
        <dl class="keytable">
          {KEYS.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </div>
    </dialog>
  );
}
