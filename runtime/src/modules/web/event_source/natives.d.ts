/* Native functions for the module of this folder (mod.rs). */

declare module 'jsserve:internal/event_source/natives' {
  /** The URL in its own spelling; throws a SyntaxError for what is none. */
  export function resolve(url: string): string;
  /** Connects; the number by which it speaks of the source. */
  export function connect(url: string): number;
  export function disconnect(source: number): void;
}
