/* Native functions for the modules of this folder (mod.rs). A handle is a `ws` of the hooks. */

declare module 'jsserve:internal/websocket/natives' {
  /** A new handle, which no connection has yet. */
  export function create(isClient: boolean): object;
  /** Connects a client's; the number by which it speaks of the socket. Throws for what is no URL or no protocols. */
  export function connect(handle: object, url: string, protocols: any): number;
  /** That of a client's URL. */
  export function origin(handle: object): string;
  /** Sends bytes, or what becomes of anything else as a string; whether little waits. Throws where a client's is not open. */
  export function send(handle: object, data: any): boolean;
  /** Begins the closing handshake; without a code the frame says none. */
  export function close(handle: object, code?: number, reason?: string): void;
  /** The code, as an unsigned short; throws for one that the app may not close with. */
  export function closeCode(code: any, isClient: boolean): number;
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
