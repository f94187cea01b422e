/* Native functions for the modules of this folder (mod.rs). A handle is a `ws` of the hooks. */

declare module 'jsserve:internal/websocket/natives' {
  /** A new handle, which no connection has yet. */
  export function create(): object;
  /** Sends bytes, or what becomes of anything else as a string; whether little waits. */
  export function send(handle: object, data: any): boolean;
  /** Begins the closing handshake; without a code the frame says none. */
  export function close(handle: object, code?: number, reason?: string): void;
  /** Whether a Close frame may say this code. */
  export function mayBeSent(code: number): boolean;
  /** Bytes in UTF-8. */
  export function byteLength(text: string): number;
  export function readyState(handle: object): number;
  export function bufferedAmount(handle: object): number;
  /** A Blob of an ArrayBuffer's bytes. */
  export function blob(buffer: ArrayBuffer): object;
  export function protocol(handle: object): string;
  export function url(handle: object): string;
  export function extensions(handle: object): string;
}
