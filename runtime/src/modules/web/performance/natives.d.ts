/* Native functions for the modules of this folder (timeline.rs). */

declare module 'jsserve:internal/performance/natives' {
  /** Milliseconds since the time origin. */
  export function now(): number;
  export function cloneDetail(detail: any): any;
  /** Calls an observer; what it throws is reported. */
  export function invokeObserver(
    callback: Function,
    observer: object,
    entries: object,
    options: object,
  ): void;
  /** Entries of each type that are kept. */
  export const entriesMax: number;
  export const observersMax: number;
  export const supportedEntryTypes: readonly string[];
}
