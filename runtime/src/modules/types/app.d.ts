/* The shape of an app: the default export of the module that `jsserve FILE` serves. */

declare namespace JSServe {
  /**
   * What an app may export. What it has decides what can be served: `fetch` HTTP; `tcp`, `connect` or
   * `accept` raw TCP; `datagram` UDP; `scheduled` nothing, for a clock calls it. A module that exports none of them is a script: it runs once.
   */
  interface App {
    /** Answers a request. What it throws is a 500, and is logged. */
    fetch?(request: Request, env: Environment, ctx: ExecutionContext): Response | Promise<Response>;
    /** Hears of WebSockets, which `ctx.upgrade` makes of requests: `fetch` has to be there. */
    websocket?: WebSocketHooks<any>;
    /** Serves raw connections by hooks: each is one call, without a promise, for what happens on one of them. */
    tcp?: TcpHooks<any>;
    /**
     * Serves a raw connection as streams; half-open is allowed. When the promise settles, and all that was
     * given to `ctx.waitUntil` has, the socket is closed: what was written goes out first. What it throws is
     * logged, and resets the connection. While it waits for the client --idle-timeout and --write-timeout apply.
     */
    connect?(socket: import("sockets").Socket, env: Environment, ctx: ExecutionContext): void | Promise<void>;
    /**
     * Serves a raw connection with the calls of `os`; `fd` is closed when the promise settles, unless
     * it has been closed before.
     */
    accept?(fd: number, peer: Peer, env: Environment, ctx: ExecutionContext): void | Promise<void>;
    /**
     * Takes a UDP datagram, whole, in memory of its own. Bytes or a string that it returns, or that its promise is
     * fulfilled with, are sent to who sent the datagram; all else that it returns is left aside. What it throws is
     * logged, and costs this datagram only. A promise is waited for as long as --request-timeout says, and while
     * --datagrams-max of them are, further datagrams are dropped.
     */
    datagram?(
      message: Uint8Array<ArrayBuffer>,
      from: DatagramSender,
      socket: DatagramSocket,
      env: Environment,
      ctx: DatagramContext,
    ): unknown;
    /**
     * Called at the times that lines of cron say (--cron, `crons` in jsserve.toml), by one worker of all. What it throws is
     * logged and not tried again; a time that comes while the run of that line before it goes on is skipped. A drain waits
     * for it.
     */
    scheduled?(event: ScheduledEvent, env: Environment, ctx: ScheduledContext): void | Promise<void>;
  }

  /** Why `scheduled` is called. */
  interface ScheduledEvent {
    /** The line of cron, as it was written. */
    readonly cron: string;
    /** When it was due, as `Date.now()` has it. */
    readonly scheduledTime: number;
    readonly type: "scheduled";
    /** For other runtimes: here no run is tried again. */
    noRetry(): void;
  }

  /** What `scheduled` can ask of the server. */
  interface ScheduledContext {
    /** The run's end waits for `promise`; its rejection is logged. */
    waitUntil(promise: unknown): void;
    /** The number of the worker that runs this handler, from 0. */
    readonly worker: number;
  }

  /** The context of a site's handlers. */
  interface RouteContext extends ExecutionContext {
    /** What the path gives the parameters of the file's name, decoded: strings, and of `[...rest]` an array of them. */
    params: any;
  }

  /**
   * A handler of a site's route (`export const GET`, or its default export), and of its middleware. `next` gives what there is
   * behind it: the next middleware, the route, a file, or the 404; for another request where one is given.
   */
  type RouteHandler = (
    request: Request,
    env: Environment,
    ctx: RouteContext,
    next: (request?: Request | string | URL, init?: RequestInit) => Promise<Response>,
  ) => Response | Promise<Response>;

  /** The default export of a site's `_error`: a response without a status of its own is sent with 500. */
  type ErrorHandler = (
    error: any,
    request: Request,
    env: Environment,
    ctx: RouteContext,
  ) => Response | Promise<Response>;

  /** Who sent a datagram. What is sent to it leaves from the address that the datagram was sent to. */
  interface DatagramSender extends Readonly<Peer> {
    /** A plain object of the three, for JSON. */
    toJSON(): Peer;
  }

  /** The worker's socket; it may be kept, and sent from at any time. */
  interface DatagramSocket {
    /**
     * Sends a datagram to the sender of another or to an address, whose family is the socket's by default. Those
     * of one turn of the worker leave together. False where it was dropped, because --datagram-queue is full or the
     * server drains; whether it arrives nobody says. Throws a RangeError for more than UDP carries (65,507 bytes; 65,527 over IPv6).
     */
    send(data: ArrayBuffer | ArrayBufferView | string, to: DatagramSender | { family?: number; addr: string; port: number }): boolean;
    /** Where it listens. */
    readonly local: Peer;
  }

  /** What a handler of datagrams can ask of the server. */
  interface DatagramContext {
    /** The server's end waits for `promise`; its rejection is logged. */
    waitUntil(promise: unknown): void;
    /** Where the socket listens. */
    readonly local: Peer;
    /** The number of the worker that runs this handler, from 0. */
    readonly worker: number;
  }

  /**
   * What `--env`, `--env-file` and the table `[env]` of jsserve.toml name, frozen. Nothing else of the
   * process's environment is there, nor in `std.getenv`.
   */
  type Environment = { readonly [name: string]: string };

  /**
   * What is called for a raw connection, in the order of what happens on it; `this` is the object. `Data` is what
   * the app keeps in `conn.data`. What a hook throws, or its promise is rejected with, is logged and resets the
   * connection; no hook waits for the promise of another.
   */
  interface TcpHooks<Data = unknown> {
    /** A client has connected. */
    open?(conn: TcpConnection<Data>, env: Environment, ctx: ExecutionContext): void | Promise<void>;
    /** Bytes have come; they are the app's own. */
    data?(conn: TcpConnection<Data>, bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
    /** All that was written is gone, after a `write` that returned false. */
    drain?(conn: TcpConnection<Data>): void | Promise<void>;
    /** The client sends no more. `conn.end()` follows, unless `allowHalfOpen` is true. */
    end?(conn: TcpConnection<Data>): void | Promise<void>;
    /** The connection is over, the last call for it; with the reason, where it did not end in order. */
    close?(conn: TcpConnection<Data>, error: (Error & { code?: string }) | undefined): void | Promise<void>;
    /** Whether our side stays open when the client's is ended, until `conn.end()`. */
    allowHalfOpen?: boolean;
  }

  /** A raw connection, for the hooks of `tcp`. */
  interface TcpConnection<Data = unknown> {
    /**
     * Sends bytes, in UTF-8 those of a string. All are taken, and leave together with what else the turn writes; false:
     * 1 MiB or more wait to be sent, and `drain` follows. False, too, for a connection that is closed, which takes
     * nothing. Beyond --write-buffer-max the connection is closed.
     */
    write(data: string | BufferSource): boolean;
    /** Ends our side once what is written is sent. */
    end(data?: string | BufferSource): void;
    /** Closes it at once: what was not sent yet is dropped, and then the client gets a reset. */
    close(): void;
    /** No more bytes are received: the client is held back. */
    pause(): void;
    resume(): void;
    /** Closes it when nothing moves for so long, instead of after --idle-timeout; 0 for no such limit. */
    timeout(seconds: number): void;
    /** Bytes that wait to be sent. */
    readonly bufferedAmount: number;
    /** The app's own. */
    data: Data;
    /** The client's end. */
    readonly peer: Peer;
    /** The server's end. */
    readonly local: Peer;
    /** The number of the worker that the connection belongs to, from 0. */
    readonly worker: number;
    /** What TLS agreed on; null on a plain connection. */
    readonly tls: TlsConnection | null;
  }

  /**
   * What is called for a WebSocket, in the order of what happens on it; `this` is the object. `Data` is what the app
   * keeps in `ws.data`. What a hook throws, or its promise is rejected with, is logged and closes the WebSocket with
   * 1011; no hook waits for the promise of another.
   */
  interface WebSocketHooks<Data = unknown> {
    /** The request is answered. */
    open?(ws: ServerWebSocket<Data>): void | Promise<void>;
    /** A message: text as a string, bytes as an array of the app's own. */
    message?(ws: ServerWebSocket<Data>, data: string | Uint8Array<ArrayBuffer>): void | Promise<void>;
    /** All that was sent is gone, after a `send` that returned false. */
    drain?(ws: ServerWebSocket<Data>): void | Promise<void>;
    /** It is over, the last call for it. 1005: the client said no code; 1006: it left without a Close frame. */
    close?(ws: ServerWebSocket<Data>, code: number, reason: string, wasClean: boolean): void | Promise<void>;
    /** The client sent a Ping; the server has answered it. */
    ping?(ws: ServerWebSocket<Data>, data: Uint8Array<ArrayBuffer>): void | Promise<void>;
    pong?(ws: ServerWebSocket<Data>, data: Uint8Array<ArrayBuffer>): void | Promise<void>;
    /** It ends otherwise than by a Close frame of the client's; `close` follows. */
    error?(ws: ServerWebSocket<Data>, error: Error): void | Promise<void>;
  }

  /** A WebSocket, for the hooks of `websocket`. */
  interface ServerWebSocket<Data = unknown> {
    /**
     * Sends text, or bytes. What a turn sends leaves together. False: 1 MiB or more wait to be sent, and `drain`
     * follows; or it is closed, and takes nothing. `compress` says whether the message is compressed where the client
     * can read that; by default text of 1 KiB or more is.
     */
    send(data: string | BufferSource, compress?: boolean): boolean;
    sendText(data: string, compress?: boolean): boolean;
    sendBinary(data: BufferSource, compress?: boolean): boolean;
    /** Closes it in order, with a code (1000 by default) and a reason of at most 123 bytes. */
    close(code?: number, reason?: string): void;
    /** Ends the connection at once: what was not sent yet is dropped. */
    terminate(): void;
    /** Sends a Ping of at most 125 bytes; the server sends its own, too. */
    ping(data?: string | BufferSource): boolean;
    pong(data?: string | BufferSource): boolean;
    /** What is published on the topic, on any worker, is sent to it from now on; whether that is new. At most --subscriptions-max. */
    subscribe(topic: string): boolean;
    unsubscribe(topic: string): boolean;
    isSubscribed(topic: string): boolean;
    /** Sends to all that subscribe to the topic, on all workers, but to this socket. False: not all will get it. */
    publish(topic: string, data: string | BufferSource): boolean;
    /** The app's own; at first what `ctx.upgrade` was given. */
    data: Data;
    /** 0 before `open`, 1, 2 while it closes, 3 once it is closed. */
    readonly readyState: number;
    /** Bytes that wait to be sent. */
    readonly bufferedAmount: number;
    /** The client's IP address; of a Unix socket its path. */
    readonly remoteAddress: string;
    /** The sub-protocol, empty where there is none. */
    readonly protocol: string;
    /** What was agreed on for compression. */
    readonly extensions: string;
    /** The URL of its request, `ws:` or `wss:`. */
    readonly url: string;
  }

  interface UpgradeOptions<Data = unknown> {
    /** `ws.data` */
    data?: Data;
    /** Fields of the answer. */
    headers?: HeadersInit;
    /** One of the sub-protocols that the client offers. */
    protocol?: string;
  }

  /** An end of a connection: an IP address and a port, or a Unix socket, which has a path and neither. */
  interface Peer {
    /** AF_INET, AF_INET6 or AF_UNIX of `os`. */
    family: number;
    /** An IPv4 or IPv6 literal. */
    addr: string;
    port: number;
    /** Of a Unix socket: a path, `"\0name"` for an abstract name, empty where it has none. */
    path?: string;
    /** Who connected a Unix socket. */
    pid?: number;
    uid?: number;
    gid?: number;
  }

  /** A certificate, as Node's getPeerCertificate has it. What cannot be read is not there. */
  interface PeerCertificate {
    /** Whose it is, by the short names of attributes: CN, O, OU; an array where one stands several times. */
    subject?: Record<string, string | string[]>;
    /** Who has signed it. */
    issuer?: Record<string, string | string[]>;
    /** What it is for: `DNS:a.test, IP Address:127.0.0.1, email:a@a.test, URI:spiffe://a`. */
    subjectaltname?: string;
    /** From when it is valid: `Nov  9 12:00:00 2026 GMT`. */
    valid_from?: string;
    /** Until when it is valid. */
    valid_to?: string;
    /** Its number, in hexadecimal digits. */
    serialNumber?: string;
    /** SHA-256 of `raw`, in hexadecimal digits with colons between the bytes. */
    fingerprint256: string;
    /** The certificate in DER. */
    raw: Uint8Array;
  }
  /** What a connection's TLS is. */
  interface TlsConnection {
    /** "TLSv1.3" or "TLSv1.2". */
    protocol: string;
    /** The cipher suite's IANA name. */
    cipher: string;
    /** The host name that the client asked for, in lower case. */
    sni: string | null;
    /** The protocol that both sides agreed on. */
    alpn: string | null;
    /** Whether the session goes on from an earlier one, by its ticket. */
    resumed: boolean;
    /** The client's certificate, where it was asked for one and has one. */
    peerCertificate: PeerCertificate | null;
  }
}

/** What a handler may know of its connection, and what it can ask of the server. */
interface ExecutionContext {
  /** The server's end waits for `promise`; its rejection is logged. */
  waitUntil(promise: unknown): void;
  /**
   * Sends a 103 Early Hints with these fields (RFC 8297), `{ link: "</app.css>; rel=preload; as=style" }`, once the
   * handler waits for something, and before its answer in any case. May be called several times; after the answer it
   * has no effect. False: the client (of HTTP/1.0, or not of HTTP) takes none, and none is sent. Throws a TypeError for
   * fields of a message's framing or connection, a RangeError beyond 100 calls or 16 KiB.
   */
  earlyHints(headers: HeadersInit): boolean;
  /**
   * Adds trailers: fields behind the answer's body (RFC 9110 section 6.5), at any time before its end. What is added before the
   * answer is announced in Trailer, and an answer over HTTP/1.1 that has a Content-Length otherwise is sent in chunks
   * for them; what is added while the body streams needs a body without a Content-Length there. False: the client does not
   * take trailers, and they are left out. Throws a TypeError for fields that a client has to know before the body, a
   * RangeError beyond 100 fields or 16 KiB.
   */
  trailers(headers: HeadersInit): boolean;
  /** The request's identifier, where the server gives them (`--request-id`); else null. */
  readonly requestId: string | null;
  /**
   * The Response that makes a WebSocket of a request, of which the hooks of `websocket` hear; null for a request that
   * asks for none. One that asks for it wrongly gets a Response that says so.
   */
  upgrade<Data>(request: Request, options?: JSServe.UpgradeOptions<Data>): Response | null;
  /** The client's end. */
  readonly peer: JSServe.Peer;
  /** The server's end. */
  readonly local: JSServe.Peer;
  /** What TLS agreed on; null on a plain connection. */
  readonly tls: JSServe.TlsConnection | null;
  /** The version of HTTP that the request came by; null where the connection speaks something else. */
  readonly http: "1.0" | "1.1" | "2" | null;
  /** The number of the worker that runs this handler, from 0. */
  readonly worker: number;
}
