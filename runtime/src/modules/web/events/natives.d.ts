/* Native functions for the modules of this folder (mod.rs). */

declare module 'jsserve:internal/events/natives' {
  /** From now on rejections are heard, and what nobody catches. */
  export function hear(): void;
  export const global: object;
}
