/*
 * What `os` has beside sockets: files, processes, time, signals, threads, as in QuickJS's manual.
 * Results are a value or `-errno`; pairs are `[value, errno]`.
 */

// Files.

/** A descriptor, or `-errno`. `flags`: O_RDONLY if not given; `mode`: 0o666. */
export function open(path: string, flags?: number, mode?: number): number;
/** The new position. `whence`: SEEK_SET, SEEK_CUR or SEEK_END of `std`. */
export function seek(fd: number, offset: number, whence: number): number;
export function seek(fd: number, offset: bigint, whence: number): bigint;
/** Bytes read into `buffer` from `offset` on (all of it if not given), 0 at the end. RangeError beyond the buffer. */
export function read(fd: number, buffer: Bytes, offset?: number, length?: number): number;
/** Bytes written, perhaps fewer than `length`. RangeError beyond the buffer. */
export function write(fd: number, buffer: Bytes, offset?: number, length?: number): number;
export function dup(fd: number): number;
export function dup2(fd: number, to: number): number;
/** null where there is none to be had. */
export function pipe(): [readFd: number, writeFd: number] | null;
export function isatty(fd: number): boolean;
/** null where `fd` is no terminal. */
export function ttyGetWinSize(fd: number): [width: number, height: number] | null;
/** Bytes as they are typed, without echo, until the process ends; 0 or `-errno`. */
export function ttySetRaw(fd: number): number;

/** What stat(2) tells; times in milliseconds since 1970. */
export interface Stat {
  dev: number;
  ino: number;
  /** S_IFMT and its kin take it apart. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blocks: number;
  atime: number;
  mtime: number;
  ctime: number;
}

export function stat(path: string): [stat: Stat, errno: 0] | [stat: null, errno: number];
/** Of a symbolic link itself. */
export function lstat(path: string): [stat: Stat, errno: 0] | [stat: null, errno: number];
/** Milliseconds since 1970, or dates. */
export function utimes(path: string, atime: number | Date, mtime: number | Date): number;
export function remove(path: string): number;
export function rename(from: string, to: string): number;
export function symlink(target: string, path: string): number;
export function readlink(path: string): [target: string, errno: number];
export function realpath(path: string): [path: string, errno: number];
/** The names in a folder, "." and ".." among them. */
export function readdir(path: string): [names: string[], errno: number];
/** `mode`: 0o777 if not given. */
export function mkdir(path: string, mode?: number): number;
/** Makes a folder of a new name: `pattern` ends in six X, which are added where they are missing. */
export function mkdtemp(pattern?: string): [path: string, errno: number];
/** The same for a file: its name and its descriptor, or `-errno`. */
export function mkstemp(pattern?: string): [path: string, fd: number];
export function getcwd(): [path: string, errno: number];
export function chdir(path: string): number;

// Processes and signals.

export interface ExecOptions {
  /** Waits for its end; true if not given. */
  block?: boolean;
  /** Looks for the file in PATH; true if not given. */
  usePath?: boolean;
  /** What is executed; the first argument if not given. */
  file?: string;
  cwd?: string;
  stdin?: number;
  stdout?: number;
  stderr?: number;
  env?: { [name: string]: string };
  uid?: number;
  gid?: number;
  groups?: number[];
}

/** The exit code, or minus the signal that ended it; with `block: false` the process id. */
export function exec(args: string[], options?: ExecOptions): number;
/** The process id (0: nothing ended yet, with WNOHANG) or `-errno`, and the status of wait(2). */
export function waitpid(pid: number, options?: number): [pid: number, status: number];
export function getpid(): number;
export function kill(pid: number, signal: number): number;
/** null: the signal's default; undefined: it is ignored. */
export function signal(signal: number, handler: (() => void) | null | undefined): void;

// Time and the machine.

/** Nothing else happens meanwhile. */
export function sleep(ms: number): number;
export function sleepAsync(ms: number): Promise<undefined>;
export function setTimeout(callback: () => void, ms: number): number;
export function setInterval(callback: () => void, ms: number): number;
export function clearTimeout(id: number | null | undefined): void;
export function clearInterval(id: number | null | undefined): void;
/** Milliseconds, with fractions, of a clock that nobody sets. */
export function now(): number;
/** Microseconds of processor time that the process has used in user space. */
export function cputime(): number;
export const platform: "linux";
/** This program's file. */
export function exePath(): string | undefined;

// Threads.

/** A thread that runs a module in an engine of its own. */
export class Worker {
  /** `module`: a file name, relative to the calling module. */
  constructor(module: string);
  /** `message` is cloned; a SharedArrayBuffer is shared. */
  postMessage(message: unknown): void;
  /** While it is set, the program waits for messages. */
  onmessage: ((event: { data: any }) => void) | null;
  /** In a worker: the thread that made it. */
  static readonly parent?: Worker;
}
