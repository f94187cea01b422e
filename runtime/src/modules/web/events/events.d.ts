/* The events of globalThis: HTML, section 8.1.4. */

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
