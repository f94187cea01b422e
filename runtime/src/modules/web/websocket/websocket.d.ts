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

interface WebSocket extends EventTarget {
  readonly url: string;
  readonly readyState: number;
  /** Bytes that wait to be sent, their frames' heads included. */
  readonly bufferedAmount: number;
  readonly extensions: string;
  readonly protocol: string;
  /** What binary messages come as. Of an end of a WebSocketPair it is "arraybuffer" at first. */
  binaryType: BinaryType;
  send(data: string | BufferSource | Blob): void;
  close(code?: number, reason?: string): void;
  /** Of an end of a WebSocketPair: this one is the app's, and comes before `send`. */
  accept(): void;
  onopen: ((this: WebSocket, event: Event) => any) | null;
  onmessage: ((this: WebSocket, event: MessageEvent) => any) | null;
  onerror: ((this: WebSocket, event: Event) => any) | null;
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
