/* Messages between ports, and the events of messages, errors and rejections (HTML, sections 8.1 and 9). */

interface MessageEventInit<T = any> extends EventInit {
  data?: T;
  origin?: string;
  lastEventId?: string;
  source?: MessagePort | null;
  ports?: Iterable<MessagePort>;
}

interface MessageEvent<T = any> extends Event {
  readonly data: T;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: MessagePort | null;
  /** The ports that were transferred with the message. */
  readonly ports: readonly MessagePort[];
  /** @deprecated use the constructor */
  initMessageEvent(
    type: string,
    bubbles?: boolean,
    cancelable?: boolean,
    data?: any,
    origin?: string,
    lastEventId?: string,
    source?: MessagePort | null,
    ports?: Iterable<MessagePort>,
  ): void;
}

declare var MessageEvent: {
  prototype: MessageEvent;
  new <T>(type: string, init?: MessageEventInit<T>): MessageEvent<T>;
};

interface ErrorEventInit extends EventInit {
  message?: string;
  filename?: string;
  lineno?: number;
  colno?: number;
  error?: any;
}

interface ErrorEvent extends Event {
  readonly message: string;
  readonly filename: string;
  readonly lineno: number;
  readonly colno: number;
  /** What was thrown. */
  readonly error: any;
}

declare var ErrorEvent: {
  prototype: ErrorEvent;
  new (type: string, init?: ErrorEventInit): ErrorEvent;
};

interface PromiseRejectionEventInit extends EventInit {
  promise: Promise<any>;
  reason?: any;
}

interface PromiseRejectionEvent extends Event {
  readonly promise: Promise<any>;
  readonly reason: any;
}

declare var PromiseRejectionEvent: {
  prototype: PromiseRejectionEvent;
  new (type: string, init: PromiseRejectionEventInit): PromiseRejectionEvent;
};

interface MessagePort extends EventTarget {
  /** Sends a clone of `message`; `transfer`: buffers and ports that move. */
  postMessage(message: any, transfer: Iterable<ArrayBuffer | MessagePort>): void;
  postMessage(message: any, options?: { transfer?: Iterable<ArrayBuffer | MessagePort> }): void;
  /** Begins delivery; setting `onmessage` does so, too. */
  start(): void;
  close(): void;
  /** A script does not end while there is a listener and the channel is open. */
  onmessage: ((this: MessagePort, event: MessageEvent) => any) | null;
  onmessageerror: ((this: MessagePort, event: MessageEvent) => any) | null;
  onclose: ((this: MessagePort, event: Event) => any) | null;
}

declare var MessagePort: {
  prototype: MessagePort;
};

interface MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}

declare var MessageChannel: {
  prototype: MessageChannel;
  new (): MessageChannel;
};

/** On `globalThis`: "error" and "unhandledrejection". */
declare function addEventListener(
  type: "error",
  listener: ((event: ErrorEvent) => void) | null,
  options?: boolean | AddEventListenerOptions,
): void;
declare function addEventListener(
  type: "unhandledrejection",
  listener: ((event: PromiseRejectionEvent) => void) | null,
  options?: boolean | AddEventListenerOptions,
): void;
declare function addEventListener(
  type: string,
  listener: EventListenerOrEventListenerObject | null,
  options?: boolean | AddEventListenerOptions,
): void;
declare function removeEventListener(
  type: string,
  listener: ((event: any) => void) | EventListenerObject | null,
  options?: boolean | EventListenerOptions,
): void;
declare function dispatchEvent(event: Event): boolean;
/** For what callbacks throw and `reportError` is given; true: it is dealt with and not logged. */
declare var onerror:
  | ((message: string | Event, file?: string, line?: number, column?: number, error?: any) => any)
  | null;
/** For rejections that nothing handles; `preventDefault()`: it is dealt with and not logged. */
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => any) | null;
