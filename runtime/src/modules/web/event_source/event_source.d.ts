/* Server-sent events, for who receives them: HTML, section 9.2. */

interface EventSourceInit {
  /** Kept, and without effect: there are no cookies here. */
  withCredentials?: boolean;
}

/**
 * Events from a server. It connects when it is made, and again whenever the connection ends, with the id of the last event;
 * after 3 seconds, or what the stream says by `retry`. A response that is not 200 or no text/event-stream is its end, and so is
 * an event of more than 16 MiB. A script does not end before it is closed.
 */
interface EventSource extends EventTarget {
  readonly url: string;
  readonly withCredentials: boolean;
  /** 0 CONNECTING, 1 OPEN, 2 CLOSED */
  readonly readyState: number;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  onopen: ((this: EventSource, event: Event) => any) | null;
  onmessage: ((this: EventSource, event: MessageEvent) => any) | null;
  /** The connection was lost (`readyState` is CONNECTING), or has failed for good (CLOSED). */
  onerror: ((this: EventSource, event: Event) => any) | null;
  close(): void;
}

declare var EventSource: {
  prototype: EventSource;
  /** @throws SyntaxError for what is not an absolute URL */
  new (url: string | URL, init?: EventSourceInit): EventSource;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
};
