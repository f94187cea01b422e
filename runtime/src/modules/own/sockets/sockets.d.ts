/* TCP connections as streams: the WinterTC Sockets API draft. */

/** Opens a connection. The streams can be used at once; what is written goes out once it is open. */
export function connect(address: string | SocketAddress, options?: SocketOptions): Socket;

/** Where to connect to; as a string: "host:port", "192.0.2.1:80", "[::1]:80". */
export interface SocketAddress {
  hostname: string;
  /** 1 to 65535 */
  port: number;
}

export interface SocketOptions {
  /** "off" (the default), "on": TLS from the start, "starttls": TLS with startTls(). */
  secureTransport?: "off" | "on" | "starttls";
  /** Whether `writable` stays open when the peer has ended its direction. Default false. */
  allowHalfOpen?: boolean;
  /** Bytes that may wait in `writable` before `ready` and `pipeTo` wait, too. Default 65536. */
  highWaterMark?: number;
  /** For TLS: the name to ask for, which the certificate must be for; the host's unless given. */
  sni?: string | null;
  /** For TLS: protocols to offer (RFC 7301), best first. */
  alpn?: string[] | null;
}

export interface SocketInfo {
  /** "192.0.2.1:80", "[2001:db8::1]:80" */
  remoteAddress: string | null;
  localAddress: string | null;
  /** The protocol that both sides of TLS agreed on. */
  alpn: string | null;
}

export interface Socket {
  /**
   * What the peer sends: a byte stream, received only as fast as it is read. `pipeTo` another socket's
   * writable moves the bytes without JavaScript; so does that of a body.
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the peer gets; closing it sends a FIN, aborting it resets the connection. */
  readonly writable: WritableStream<string | ArrayBuffer | ArrayBufferView>;
  /** Resolves once the connection is open, TLS included; rejects with a SocketError where it never is. */
  readonly opened: Promise<SocketInfo>;
  /**
   * Resolves when the connection is over, whichever way: after close(), or when the peer has ended its
   * direction and ours is ended too. Rejects, as `opened` does, only where it never was open.
   */
  readonly closed: Promise<void>;
  /** Whether startTls() was called. */
  readonly upgraded: boolean;
  readonly secureTransport: "off" | "on" | "starttls";
  /**
   * Sends what was written before, then a FIN; `readable` is cancelled. With a reason `writable` errors
   * with it. Returns `closed`.
   */
  close(reason?: unknown): Promise<void>;
  /** Begins TLS on the connection: this socket's streams end, the new socket has others. */
  startTls(options?: { expectedServerHostname?: string }): Socket;
}

declare const Socket: {
  prototype: Socket;
};

/** What fails on a socket; its message begins with "SocketError: ". */
export interface SocketError extends TypeError {
  /** "ECONNREFUSED", "ENOTFOUND", "EPROTO" (TLS), ... */
  readonly code?: string;
}

declare const SocketError: {
  prototype: SocketError;
  new (message?: string): SocketError;
};

declare const sockets: { connect: typeof connect; Socket: typeof Socket; SocketError: typeof SocketError };
export { Socket, SocketError, sockets as default };
