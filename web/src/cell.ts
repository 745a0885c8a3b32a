import { useLayoutEffect, useReducer } from "preact/hooks";

/** A value that tells those who read it when it changes. */
export class Cell<T> {
  private readonly listeners = new Set<(value: T) => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    if (Object.is(value, this.current)) return;
    this.current = value;
    for (const listener of [...this.listeners]) listener(value);
  }

  subscribe(listener: (value: T) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** The value of a cell, if there is one; the component is drawn again when it changes. */
export function useCell<T>(cell: Cell<T>): T;
export function useCell<T>(cell: Cell<T> | undefined): T | undefined;
export function useCell<T>(cell: Cell<T> | undefined): T | undefined {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => cell?.subscribe(redraw as () => void), [cell]);
  return cell?.value;
}
