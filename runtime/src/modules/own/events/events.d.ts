/*
 * Server-sent events (HTML, section 9.2): a response that goes on, for EventSource in browsers.
 *
 *     import { EventStream } from "jsserve:events"
 *     export default { fetch(request) {
 *       const stream = new EventStream(request)
 *       stream.subscribe("news")             // what publish("news", text) of jsserve:shared sends, on all workers
 *       return stream.response
 *     } }
 */

/** The parts of an event. Without `data` clients take note of `id` and `retry`, and hear nothing. */
export interface ServerEvent {
  /** Its type, "message" if not given: one line. */
  event?: string;
  /** What a client that comes back names as the last it got: one line without NUL; "" makes it forget. */
  id?: string;
  /** A string of any lines; anything else is sent as JSON. */
  data?: unknown;
  /** Milliseconds that a client waits before it connects anew. */
  retry?: number;
}

export interface EventStreamOptions {
  /**
   * Milliseconds of silence after which a comment is sent, so that nobody on the way takes the connection for dead: 15,000 if
   * not given. 0 or false for none: then the response ends once it has sent nothing for --idle-timeout.
   */
  keepAlive?: number | false;
  /** Milliseconds that the client waits before it connects anew; sent first. */
  retry?: number;
  /** Further fields of the response. */
  headers?: HeadersInit;
}

/**
 * A stream of events to one client. What is sent waits until the client takes it; a client that has more than --event-queue
 * (1 MiB) waiting loses its stream, and nobody else does.
 */
export class EventStream {
  /** @param request whose `Last-Event-ID` says where a client goes on */
  constructor(request?: Request | null, options?: EventStreamOptions);
  constructor(options?: EventStreamOptions);
  /** What the handler returns: text/event-stream, not to be stored or buffered. */
  readonly response: Response;
  /** `Last-Event-ID` of the request, "" where there is none. */
  readonly lastEventId: string;
  /**
   * Fulfilled when the stream is over: "closed" by `close()`, "client" when the client is gone or the server drains, "slow" when it did not
   * take its events.
   */
  readonly closed: Promise<"closed" | "client" | "slow">;
  readonly isOpen: boolean;
  /** Bytes that wait for the client. */
  readonly bufferedAmount: number;
  /** Sends an event, or text as the data of one. False once the stream is closed: it goes nowhere. */
  send(event: string | ServerEvent): boolean;
  /** Sends what clients pass over. */
  comment(text?: string): boolean;
  /**
   * Has each message that is published on a topic sent, as the data of an event of the type `event`; it is encoded once a
   * worker. Bytes are taken for UTF-8. False where it is subscribed to already, or the stream is closed.
   * @throws RangeError beyond --subscriptions-max or --topics-max
   */
  subscribe(topic: string, options?: { event?: string }): boolean;
  /**
   * Follows a history: first what came behind `lastEventId` (all that it has, where it does not know that any more; nothing,
   * where the client is new), then each event when it comes, in order, once. A stream follows one history (TypeError): of two,
   * nobody could tell whose event a client names as its last.
   */
  subscribe(history: EventHistory): boolean;
  unsubscribe(topic: string | EventHistory): boolean;
  /** Sends what waits, then the end. A browser connects anew after that: 204 is what stops it. */
  close(): void;
}

/**
 * The last events of one name, the same on all workers: a client that was away gets what it missed, whichever worker it
 * comes back to. Events have ids that no other run of the server gives, unless you name them.
 */
export class EventHistory {
  /**
   * The first call decides the options; a later one that gives others throws a TypeError. The oldest events go beyond `max`
   * (1,000) or `bytesMax` (1 MiB). At most 1,000 histories.
   */
  constructor(name: string, options?: { max?: number; bytesMax?: number });
  readonly name: string;
  readonly size: number;
  /** Adds an event, and sends it to all streams that follow. Its id. */
  publish(event: string | ServerEvent): string;
}

declare const events: { EventStream: typeof EventStream; EventHistory: typeof EventHistory };
export default events;
