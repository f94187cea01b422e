/* The events of globalThis and message channels: HTML, sections 8.1.4 and 9.4. */

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
  readonly error: any;
}

declare var ErrorEvent: {
  prototype: ErrorEvent;
  new (type: string, init?: ErrorEventInit): ErrorEvent;
};

interface PromiseRejectionEvent extends Event {
  readonly promise: Promise<any>;
  readonly reason: any;
}

declare var PromiseRejectionEvent: {
  prototype: PromiseRejectionEvent;
  new (type: string, init: EventInit & { promise: Promise<any>; reason?: any }): PromiseRejectionEvent;
};

interface MessageEvent<T = any> extends Event {
  readonly data: T;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: MessagePort | null;
  readonly ports: readonly MessagePort[];
}

declare var MessageEvent: {
  prototype: MessageEvent;
  new <T>(
    type: string,
    init?: EventInit & {
      data?: T;
      origin?: string;
      lastEventId?: string;
      source?: MessagePort | null;
      ports?: MessagePort[];
    },
  ): MessageEvent<T>;
};

/** One end of a MessageChannel. What is sent is copied, as by structuredClone. */
interface MessagePort extends EventTarget {
  postMessage(message: any, options?: ArrayBuffer[] | { transfer?: ArrayBuffer[] }): void;
  /** Lets messages come; setting `onmessage` does, too. */
  start(): void;
  close(): void;
  onmessage: ((this: MessagePort, event: MessageEvent) => any) | null;
  onmessageerror: ((this: MessagePort, event: MessageEvent) => any) | null;
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

interface GlobalEventMap {
  error: ErrorEvent;
  unhandledrejection: PromiseRejectionEvent;
  rejectionhandled: PromiseRejectionEvent;
}

/** `preventDefault()` of "error" and "unhandledrejection" keeps it out of the log, and a script alive. */
declare function addEventListener<K extends keyof GlobalEventMap>(
  type: K,
  listener: ((event: GlobalEventMap[K]) => any) | { handleEvent(event: GlobalEventMap[K]): any } | null,
  options?: boolean | AddEventListenerOptions,
): void;
declare function addEventListener(
  type: string,
  listener: ((event: any) => any) | { handleEvent(event: any): any } | null,
  options?: boolean | AddEventListenerOptions,
): void;
declare function removeEventListener(
  type: string,
  listener: ((event: any) => any) | { handleEvent(event: any): any } | null,
  options?: boolean | { capture?: boolean },
): void;
declare function dispatchEvent(event: Event): boolean;
declare var onerror:
  | ((message: string, filename: string, lineno: number, colno: number, error: any) => any)
  | null;
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => any) | null;
declare var onrejectionhandled: ((event: PromiseRejectionEvent) => any) | null;
