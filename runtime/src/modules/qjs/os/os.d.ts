/*
 * What `import * as os from "os"` (or "qjs:os") has: sockets as numbers.
 *
 * A socket stays open until `close(fd)`, or until its engine ends: garbage collection never closes
 * one, for a number says nothing of who still needs it. Numbers that are not of this engine (the
 * server's own) are EBADF. Wrong arguments are a TypeError, numbers out of range a RangeError: thrown
 * by synchronous calls, rejections of the others.
 *
 * The constants of socket(7), tcp(7), udp(7), ip(7), ipv6(7) are numbers of their C names. Options
 * that have the system read or write memory outside of their value are ENOPROTOOPT: SO_ATTACH_*,
 * IP_MSFILTER, and what these pages do not have (TCP_ZEROCOPY_RECEIVE, ...).
 */

/** Where a socket is bound or connected to. */
export interface Address {
  /** AF_INET, AF_INET6 or AF_UNIX; the socket's own when absent. */
  family?: number;
  /** An IPv4 or IPv6 literal ("fe80::1%2" with its scope); the wildcard when absent or null. */
  addr?: string | null;
  /** 0 to 65535; needed for AF_INET and AF_INET6. */
  port?: number;
  /** For AF_UNIX: at most 107 bytes of UTF-8; abstract with a NUL in front; "" is no name. */
  path?: string;
}

/** What results have: always family, addr and port; for AF_UNIX path, too. */
export type KnownAddress = Required<Omit<Address, "path">> & { path?: string };

/** What a refused operation rejects with; `error < 0` holds, `-error` is the number. */
export interface SystemError extends Error {
  /** Positive. */
  errno: number;
  /** "ECONNRESET". */
  code: string;
  valueOf(): number;
}

type Bytes = ArrayBuffer | ArrayBufferView;

// These return a value, or `-errno`.

/** Non-blocking unless SOCK_BLOCK is or-ed into the type; no call here blocks either way. */
export function socket(family: number, type: number, protocol?: number): number;
export function bind(fd: number, addr: Address): number;
export function listen(fd: number, backlog?: number): number;
export function shutdown(fd: number, how: number): number;
/** Every operation pending on it ends with EBADF. */
export function close(fd: number): number;
/** At SOL_SOCKET; a number or boolean is passed as a C int. */
export function setsockopt(fd: number, name: number, value: Bytes | number | boolean): number;
export function setsockopt(fd: number, level: number, name: number, value: Bytes | number | boolean): number;
/** At SOL_SOCKET, or at `level`, into `value`; 0. */
export function getsockopt(fd: number, name: number, value: Bytes): number;
export function getsockopt(fd: number, level: number, name: number, value: Bytes): number;
/** The option's C int; or its bytes, at most `length` (up to 4096) of them. */
export function getsockopt(fd: number, level: number, name: number): number;
export function getsockopt(fd: number, level: number, name: number, length: number): ArrayBuffer | number;
export function getsockname(fd: number): KnownAddress | number;
export function getpeername(fd: number): KnownAddress | number;

/**
 * Has `handler` called while a read (write) would not block, each time in a turn of its own:
 * level-triggered, so a handler that leaves the descriptor ready is called again, after the other
 * tasks of the worker. One each per descriptor: another one takes its place, null or `close(fd)`
 * removes it. A handler keeps a script from ending. What it throws is reported. Works on sockets
 * (listening, connecting, connected), pipes, terminals and files, which are always ready. EBADF as
 * `-errno`, else undefined.
 *
 * With `connect(fd, addr)` pending, SO_ERROR tells a write handler how it ended, once: the promise
 * rejects with ECONNABORTED if the handler was first to read it.
 */
export function setReadHandler(fd: number, handler: (() => void) | null): number | undefined;
export function setWriteHandler(fd: number, handler: (() => void) | null): number | undefined;

export interface AddressInfo {
  family: number;
  socktype: number;
  addr: string;
  port: number;
}

export interface AddressHints {
  /** A name of /etc/services ("http"), a port, or a port as a string. */
  service?: string | number | null;
  /** AF_INET or AF_INET6; both when absent or AF_UNSPEC. */
  family?: number;
  /** SOCK_STREAM, SOCK_DGRAM or SOCK_RAW; an entry for each when absent or 0. */
  socktype?: number;
  /** AI_PASSIVE (no host is the wildcard, not the loopback), AI_NUMERICHOST, AI_NUMERICSERV. */
  flags?: number;
}

/**
 * As getaddrinfo(3), best first (RFC 6724); a negative EAI_ number where it fails. It blocks: a
 * script until the answer, at most 30 seconds. In a served app only literals and names of
 * /etc/hosts are answered; for others it throws a TypeError: use getaddrinfoAsync.
 */
export function getaddrinfo(host: string | null | undefined, service?: string | number | null): AddressInfo[] | number;
export function getaddrinfo(host: string | null | undefined, hints: AddressHints): AddressInfo[] | number;

// These return promises. At most 1,024 may be pending on one socket, and hold 256 MiB together in
// one engine: beyond that they reject with ENOBUFS. What is sent is copied at the call. What is
// received is copied to the buffer at the end: as much as fits if it has shrunk; a TypeError if it
// has been detached. What a `fully` call had received before it failed is in the buffer.

/** Pending accepts are served in call order, one connection each. */
export function accept(fd: number): Promise<[fd: number, peer: KnownAddress]>;
export function connect(fd: number, addr: Address): Promise<0>;
/** Bytes, at most 64 KiB of a stream at once; 0 at its end. `fully`: all of them, or to the end. */
export function recv(fd: number, buffer: Bytes, length?: number, fully?: boolean): Promise<number>;
export function recv(fd: number, buffer: Bytes, fully: boolean): Promise<number>;
/** Bytes. A peer that has gone is EPIPE or ECONNRESET, never a signal. */
export function send(fd: number, data: Bytes | string, length?: number, fully?: boolean): Promise<number>;
export function send(fd: number, data: Bytes | string, fully: boolean): Promise<number>;
/** Where the system does not tell the sender (a connected stream, an unnamed AF_UNIX socket), its addr is null. */
export function recvfrom(fd: number, buffer: Bytes, length?: number): Promise<[bytes: number, from: KnownAddress]>;
export function sendto(fd: number, data: Bytes | string, length: number | undefined, addr: Address): Promise<number>;
export function sendto(fd: number, addr: Address, data: Bytes | string, length?: number): Promise<number>;

/**
 * As getaddrinfo, without blocking. Rejects with an error whose `valueOf()` is the EAI_ number
 * (`errno` is it made positive: no errno of the system) and whose `code` is "ENOTFOUND" where there
 * is no such name or no address for it, else the number's name ("EAI_AGAIN", "EAI_SERVICE", ...).
 * At most 256 names are looked up at once over all workers: EAI_AGAIN beyond.
 */
export function getaddrinfoAsync(host: string | null | undefined, service?: string | number | null): Promise<AddressInfo[]>;
export function getaddrinfoAsync(host: string | null | undefined, hints: AddressHints): Promise<AddressInfo[]>;
