/** Where keys are listened for. */

/** In the app and the page keys work everywhere; in a notebook only inside the component. */
export function keyTarget(host: HTMLElement): HTMLElement | Document {
  return host.dataset.headscope ? document : host;
}

/** Whether a key goes to a field or a dialog, or belongs to the browser. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey) return true;
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.matches("input, textarea, select, dialog[open], dialog[open] *, [contenteditable]");
}
