/* Native functions for the module of this folder (mod.rs). */

declare module 'jsserve:internal/broadcast/natives' {
  /** A channel of that name; what comes is for the object that `reference` refers to. */
  export function open(name: string, reference: WeakRef<object>): object;
  /** Copies `message` to all other channels of that name. */
  export function post(channel: object, name: string, message: any): void;
  export function close(channel: object): void;
}
