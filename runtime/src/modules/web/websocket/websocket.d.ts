/* WebSockets: WebSockets Standard; WebSocketPair as Workers have it. */

interface CloseEventInit extends EventInit {
  wasClean?: boolean;
  code?: number;
  reason?: string;
}

interface CloseEvent extends Event {
  readonly wasClean: boolean;
  /** 1005: the peer said none. 1006: the connection ended without a Close frame. */
  readonly code: number;
  readonly reason: string;
}

declare var CloseEvent: {
  prototype: CloseEvent;
  new (type: string, init?: CloseEventInit): CloseEvent;
};

type BinaryType = "blob" | "arraybuffer";

interface WebSocketInit {
  /** The sub-protocols that are offered, the best first. */
  protocols?: string | Iterable<string>;
  /** Fields of the request. Those of the connection and of the handshake (Sec-WebSocket-*) are the client's own. */
  headers?: HeadersInit;
}

/**
 * A client's connects when it is made, to `ws:` or `wss:`, and is no garbage before it is closed: a script does not end
 * before. Its limits are those of the server's (--websocket-message-max and others); in a script a message has at most 64 MiB.
 */
interface WebSocket extends EventTarget {
  readonly url: string;
  readonly readyState: number;
  /**
   * Bytes of messages that were given to `send` and the network has not taken; those that never went stay. Of a server's
   * socket: bytes that wait to be sent, their frames' heads included.
   */
  readonly bufferedAmount: number;
  readonly extensions: string;
  readonly protocol: string;
  /** What binary messages come as. Of an end of a WebSocketPair it is "arraybuffer" at first. */
  binaryType: BinaryType;
  /** @throws InvalidStateError before it is open */
  send(data: string | BufferSource | Blob): void;
  /**
   * A client's code is 1000 or one from 3000 to 4999; the reason has at most 123 bytes in UTF-8.
   * @throws InvalidAccessError for other codes, SyntaxError for a longer reason
   */
  close(code?: number, reason?: string): void;
  /** Of an end of a WebSocketPair: this one is the app's, and comes before `send`. */
  accept(): void;
  onopen: ((this: WebSocket, event: Event) => any) | null;
  onmessage: ((this: WebSocket, event: MessageEvent) => any) | null;
  /** Why there is no connection, or none any more: `event.message` says it. `close` follows. */
  onerror: ((this: WebSocket, event: ErrorEvent) => any) | null;
  onclose: ((this: WebSocket, event: CloseEvent) => any) | null;
  addEventListener(type: "message", listener: (event: MessageEvent) => any, options?: any): void;
  addEventListener(type: "close", listener: (event: CloseEvent) => any, options?: any): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => any, options?: any): void;
  addEventListener(type: string, listener: any, options?: any): void;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

declare var WebSocket: {
  prototype: WebSocket;
  /**
   * Connects to a URL with the scheme ws, wss, http or https and no fragment. An object of options is as Node and Deno have it.
   * @throws SyntaxError for other URLs, and for sub-protocols that are no tokens or stand twice
   */
  new (url: string | URL, protocols?: string | Iterable<string> | WebSocketInit): WebSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
};

/** Two ends: one answers a request, `new Response(null, { status: 101, webSocket })`, the other is the app's. */
interface WebSocketPair {
  0: WebSocket;
  1: WebSocket;
}

declare var WebSocketPair: {
  prototype: WebSocketPair;
  new (): WebSocketPair;
};

interface ResponseInit {
  /** Makes a WebSocket of the request, with the status 101. */
  webSocket?: WebSocket | null;
}

interface Response {
  readonly webSocket: WebSocket | null;
}
