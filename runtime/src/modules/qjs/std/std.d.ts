/*
 * What `import * as std from "std"` (or "qjs:std") has: files as streams, formatted output, the
 * environment, as in QuickJS's manual.
 */

/** Where a function tells why it answered null: `errno` is set, to 0 if all went well. */
export interface ErrorObject {
  errno?: number;
}

/** A buffered file: FILE of stdio(3). */
export interface FILE {
  /** 0 or `-errno`; of a `popen` the status of wait(2). */
  close(): number;
  puts(...texts: unknown[]): void;
  /** Bytes written. */
  printf(format: string, ...args: unknown[]): number;
  flush(): void;
  /** 0 or `-errno`. */
  seek(offset: number | bigint, whence: number): number;
  tell(): number;
  tello(): bigint;
  eof(): boolean;
  fileno(): number;
  error(): boolean;
  clearerr(): void;
  /** Bytes read. All of the buffer from `position` on if `length` is not given. */
  read(buffer: ArrayBuffer | ArrayBufferView, position?: number, length?: number): number;
  /** Bytes written. */
  write(data: ArrayBuffer | ArrayBufferView | string, position?: number, length?: number): number;
  /** The next line without its line feed; null at the end. */
  getline(): string | null;
  readAsArrayBuffer(bytesMax?: number): ArrayBuffer;
  readAsString(bytesMax?: number): string;
  /** -1 at the end. */
  getByte(): number;
  putByte(byte: number): number;
}

/** `mode`: that of fopen(3). */
export function open(path: string, mode: string, error?: ErrorObject): FILE | null;
/** Runs a shell command; `mode`: "r" reads its output, "w" writes its input. */
export function popen(command: string, mode: string, error?: ErrorObject): FILE | null;
export function fdopen(fd: number, mode: string, error?: ErrorObject): FILE | null;
export function tmpfile(error?: ErrorObject): FILE | null;
declare const input: FILE;
export { input as in };
export const out: FILE;
export const err: FILE;
export const SEEK_SET: number, SEEK_CUR: number, SEEK_END: number;

/** To standard output, as `std.out` has it. */
export function puts(...texts: unknown[]): void;
/** To standard output; bytes written. The conversions of printf(3); %d takes 32 bits, %ld 64. */
export function printf(format: string, ...args: unknown[]): number;
export function sprintf(format: string, ...args: unknown[]): string;

/** null where the file cannot be read. */
export function loadFile(path: string): string | null;
export function loadFile(path: string, options: { binary: true }): Uint8Array<ArrayBuffer> | null;
export function loadFile(path: string, options: { binary?: boolean }): string | Uint8Array<ArrayBuffer> | null;
/** Throws where the file cannot be written. */
export function writeFile(path: string, data: string | ArrayBuffer | ArrayBufferView | undefined): void;
/** Runs a file as a classic script. */
export function loadScript(path: string): any;
/** Runs `source` as a classic script. `async`: a promise of `{value}`, and `await` is known. */
export function evalScript(source: string, options: { async: true; backtrace_barrier?: boolean }): Promise<{ value: any }>;
export function evalScript(source: string, options?: { async?: boolean; backtrace_barrier?: boolean }): any;
/** JSON with comments, unquoted and single-quoted names, trailing commas, hexadecimal numbers. */
export function parseExtJSON(text: string): any;

/** The bytes, which are UTF-8, as a string; as in the branch of the socket proposal. */
export function encode(buffer: ArrayBuffer | ArrayBufferView): string;
/** The string's UTF-8; as in the branch of the socket proposal. */
export function decode(text: string): ArrayBuffer;

/** Ends the script; in a served app it throws. */
export function exit(code?: number): never;
export function gc(): void;
export function getenv(name: string): string | undefined;
export function setenv(name: string, value: string): void;
export function unsetenv(name: string): void;
export function getenviron(): { [name: string]: string };

/** What `urlGet` answers with `full: true`; `response` is null where there was none. */
export interface UrlResponse<T> {
  response: T | null;
  responseHeaders: string;
  status: number;
}

/** The body of a response of status 200 to 299, else null. It waits for it. */
export function urlGet(url: string, options?: { binary?: false; full?: false }): string | null;
export function urlGet(url: string, options: { binary: true; full?: false }): ArrayBuffer | null;
export function urlGet(url: string, options: { binary?: false; full: true }): UrlResponse<string>;
export function urlGet(url: string, options: { binary: true; full: true }): UrlResponse<ArrayBuffer>;

/** The text of an errno. */
export function strerror(errno: number): string;
/** Every name of errno(3). */
export const Error: { readonly [name: `E${string}`]: number };
