/** A titled part of the inspector. */

import type { ComponentChildren } from "preact";

interface Props {
  title: ComponentChildren;
  value?: string;
  children: ComponentChildren;
}

export function Group({ title, value, children }: Props) {
  return (
    <div class="group">
      <div class="heading">
        <h3>{title}</h3>
        {value && <span class="figure">{value}</span>}
      </div>
      {children}
    </div>
  );
}
