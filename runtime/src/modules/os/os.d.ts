/*
 * What `import * as os from "os"` (or "qjs:os") has: sockets as numbers.
 *
 * A socket stays open until `close(fd)`, or until its engine ends: garbage collection never closes
 * one, for a number says nothing of who still needs it. Numbers that are not sockets of this engine
 * (0, 1, 2, the server's own) are EBADF. Wrong arguments are a TypeError, numbers out of range a
 * RangeError: thrown by synchronous calls, rejections of the others.
 *
 * The constants of socket(7), tcp(7), udp(7), ip(7), ipv6(7) are numbers of their C names. Options
 * whose value holds addresses of memory (SO_ATTACH_FILTER, TCP_ZEROCOPY_RECEIVE, ...) are left out:
 * they are ENOPROTOOPT. The module exports exactly the options that may be used.
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
/** At SOL_SOCKET, into `value`; 0. */
export function getsockopt(fd: number, name: number, value: Bytes): number;
/** The option's C int; or its bytes, at most `length` (up to 4096) of them. */
export function getsockopt(fd: number, level: number, name: number): number;
export function getsockopt(fd: number, level: number, name: number, length: number): ArrayBuffer | number;
export function getsockname(fd: number): KnownAddress | number;
export function getpeername(fd: number): KnownAddress | number;

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
/** The sender has family 0 where the system does not tell: on a connected stream. */
export function recvfrom(fd: number, buffer: Bytes, length?: number): Promise<[bytes: number, from: KnownAddress]>;
export function sendto(fd: number, data: Bytes | string, length: number | undefined, addr: Address): Promise<number>;
export function sendto(fd: number, addr: Address, data: Bytes | string, length?: number): Promise<number>;

/** What a name or literal resolves to. */
export interface AddressInfo {
  family: number;
  socktype: number;
  addr: string;
  port: number;
}

/** What is looked for; everything if not given. */
export interface AddressHints {
  /** A port or its name in services(5). */
  service?: string | number;
  family?: number;
  socktype?: number;
}

/**
 * The addresses of a host, or a negative EAI_ number. In a script it waits for the resolver. In a
 * served app it knows address literals and the names of /etc/hosts, and throws for others:
 * `getaddrinfoAsync` resolves them.
 */
export function getaddrinfo(host: string, service?: string | number): AddressInfo[] | number;
export function getaddrinfo(host: string, hints: AddressHints): AddressInfo[] | number;
export function getaddrinfoAsync(host: string, service?: string | number): Promise<AddressInfo[]>;
export function getaddrinfoAsync(host: string, hints: AddressHints): Promise<AddressInfo[]>;

/**
 * Calls `handler` whenever `fd` is readable (a connection can be accepted, bytes or the end of the
 * stream are there, an error is) until it is replaced, or removed with null. One per descriptor.
 */
export function setReadHandler(fd: number, handler: (() => void) | null): void;
/** The same when `fd` is writable: its connect has ended, or it takes more bytes. */
export function setWriteHandler(fd: number, handler: (() => void) | null): void;
