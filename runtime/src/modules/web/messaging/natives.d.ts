/* Native functions for the modules of this folder, and tasks for all (mod.rs). */

declare module 'jsserve:internal/messaging/natives' {
  import type { List } from 'jsserve:internal/webidl/natives';
  /** A list of what the objects in `transfer` became, with the copy of `value` as `data`. */
  export function clone(value: any, transfer: List): List & { data: any };
  /** Keeps a script alive until it is released. */
  export function hold(): object;
  export function release(hold: object): void;
}

declare module 'jsserve:internal/messaging/tasks' {
  /** Has `f` called in a task of its own. */
  export function task(f: () => void): void;
}
