/* Native functions for the module of this folder (calls.rs). A link is a connection. */

declare module 'jsserve:internal/sockets/natives' {
  /** A link to be opened, and what the socket says of itself. */
  export function dial(
    address: any,
    options: any,
  ): { link: object; kind: string; halfOpen: boolean; highWaterMark?: number };
  export function open(link: object): Promise<any>;
  /** A link that takes the connection of another for TLS when it is opened. */
  export function upgrade(link: object, options: any): object;
  /** Who is told of a read that waited: its bytes, null at the peer's end; or why there are none. */
  export function hear(
    link: object,
    arrived: (bytes: Uint8Array | null) => void,
    failed: (error: any) => void,
  ): void;
  /** The short way of its streams (streams/natives); `written` is told when a write ends that its stream took over. */
  export function fast(link: object, written: () => void, highWaterMark: number): object;
  /** The next bytes, null at the peer's end; undefined where they are told of later. */
  export function read(link: object, wanted: number): Uint8Array | null | undefined;
  /** Undefined when all is sent, else a promise. */
  export function write(link: object, chunk: any): Promise<void> | undefined;
  /** A promise of the FIN, after all that was written. */
  export function finish(link: object): Promise<void>;
  /** What it receives, for a pipe that takes it from here on. */
  export function feed(link: object): object;
  /** What it sends, for a pipe that gives it from here on. */
  export function drain(link: object): object;
  /** A promise of whether anything is unread at the peer's FIN; of undefined once it is closed here. */
  export function watch(link: object): Promise<boolean | undefined>;
  /** A promise that nobody reads what is left. */
  export function unattended(link: object): Promise<void>;
  export function hasUnread(link: object): boolean;
  export function stopReading(link: object): void;
  export function hurry(link: object): void;
  /** Keeps a script alive. */
  export function hold(link: object): void;
  export function letGo(link: object): void;
  export function release(link: object): void;
  export function reset(link: object): void;
  /** Gives an object a property of its own. */
  export function define(object: object, name: string, value: any): void;
}
