/** A figure with the line that says what was computed from what. */

import type { ComponentChildren } from "preact";

interface Props {
  name: string;
  caption: ComponentChildren;
  children: ComponentChildren;
}

export function Figure({ name, caption, children }: Props) {
  return (
    <figure class="lesson-figure" data-testid={`figure-${name}`}>
      {children}
      <figcaption>{caption}</figcaption>
    </figure>
  );
}

/** A number of the running trace, in a sentence. */
export function Live({ of, children }: { of?: string; children: ComponentChildren }) {
  return (
    <span class="live" data-live={of}>
      {children}
    </span>
  );
}
