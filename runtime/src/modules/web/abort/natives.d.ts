/* Native functions for the modules of this folder (mod.rs). */

declare module 'jsserve:internal/abort/natives' {
  /** Milliseconds since the time origin. */
  export function now(): number;
  export function weak<T extends WeakKey>(value: T): WeakRef<T>;
  export function deref(weak: WeakRef<any>): any;
  /** Calls `callback` after a time, unless the object that this gives is collected before. */
  export function expire(milliseconds: number, callback: () => void): object;
  /** The getter of the attribute `isTrusted` of an object. */
  export function getter(holder: { readonly isTrusted: boolean }): () => boolean;
  /** Gives `event` its own attribute `isTrusted`. */
  export function unforgeable(event: object, getter: () => boolean): void;
  /** Calls a listener; what it throws is reported. */
  export function invokeCallback(callback: any, receiver: any, argument: any, isHandler: boolean): any;
  /** Has the native event targets extend EventTarget. */
  export function extendAdopted(target: Function): void;
  export const performance: object;
}
