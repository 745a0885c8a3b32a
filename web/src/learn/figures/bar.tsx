/** A share as a bar; where it was before as a line. */
export function Bar({ share, before, kind = "query" }: { share: number; before?: number; kind?: "query" | "key" }) {
  return (
    <span class={`share ${kind}`} aria-hidden="true">
      <i style={{ width: `${Math.min(1, Math.max(0, share)) * 100}%` }} />
      {before !== undefined && <b style={{ left: `${Math.min(1, before) * 100}%` }} />}
    </span>
  );
}
