/* Message channels: HTML, section 9.4. */

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
  /** The ports that were transferred with the message, in their order. */
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

/** What moves instead of being copied; the streams' chunks are copied. */
type Transferable = ArrayBuffer | MessagePort | ReadableStream | WritableStream | TransformStream;

interface StructuredSerializeOptions {
  transfer?: Iterable<Transferable>;
}

/**
 * One end of a MessageChannel. What is sent is copied, as by structuredClone, and arrives in a task of
 * its own. While a port is started and listened to, a script does not end until its channel is closed.
 */
interface MessagePort extends EventTarget {
  postMessage(message: any, transfer: Iterable<Transferable>): void;
  postMessage(message: any, options?: StructuredSerializeOptions): void;
  /** Lets messages come; setting `onmessage` does, too. */
  start(): void;
  /** Ends the channel; the other port hears "close" behind what was sent before. */
  close(): void;
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
