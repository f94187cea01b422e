/* Native functions for the modules of this folder (mod.rs). A request is known by a number. */

declare module 'jsserve:internal/locks/natives' {
  /** The number of a request that is granted, that of one which waits below zero, 0 where it does neither. */
  export function requestLock(name: string, exclusive: boolean, ifAvailable: boolean, steal: boolean): number;
  /** Whether it still waited. */
  export function abortRequest(name: string, id: number): boolean;
  export function releaseLock(name: string, id: number): void;
  /** Calls `callback` with the lock, which is released when what it returns has settled. */
  export function runCallback(name: string, id: number, callback: Function, lock: object): void;
  export function queryLocks(): { held: object[]; pending: object[] };
}
