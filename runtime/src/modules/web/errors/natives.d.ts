/* Native values for the modules of this folder (mod.rs). */

declare module 'jsserve:internal/errors/natives' {
  /** As it was before any script ran. */
  export const DOMException: new (message?: string, name?: string) => Error;
}
