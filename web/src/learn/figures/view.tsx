/** A view of the workbench, as it is there, on a scene of the lesson. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Palette } from "../../colours";
import type { HeadId } from "../../model/trace";
import type { Picture } from "../../picture";
import { usePicture } from "../../parts/use-picture";
import { Session } from "../../session";
import { isolate } from "../../state";
import { type Change, type Scene, SceneHost } from "../scene";

interface Props {
  scene: Scene;
  head: HeadId;
  query: number | null;
  change?: Change;
  palette: Palette;
  View: (props: { session: Session; picture: Picture; palette: Palette }) => JSX.Element;
  /** CSS pixels. */
  height: number;
}

export function SceneView({ scene, head, query, change, palette, View, height }: Props) {
  const host = useRef<SceneHost | null>(null);
  const session = useMemo(() => {
    host.current = new SceneHost(scene, change);
    return new Session(host.current, `#head=${head.layer}.${head.head}${query === null ? "" : `&query=${query}`}`);
  }, []);
  useEffect(() => () => session.close(), []);
  useEffect(() => host.current!.show(scene, change), [scene, change]);
  useEffect(() => {
    session.update((state) => {
      const alone = isolate(state, head);
      return { ...alone, focus: { ...alone.focus, query, key: null } };
    });
  }, [scene, head.layer, head.head, query]);
  const picture = usePicture(session);
  return (
    <div class="view" style={{ "--figure-height": `${height}px` }}>
      {picture && <View session={session} picture={picture} palette={palette} />}
    </div>
  );
}
