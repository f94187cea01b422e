/* EventSource (HTML, section 9.2).
 * Owns: the class, its state. Must not know: the connection, the format of the stream (native code does that). A source is
 * no garbage before it is closed. */
import { Event } from 'jsserve:internal/abort/event';
import { EventTarget, fire, getHandler, setHandler } from 'jsserve:internal/abort/event_target';
import { connect, disconnect, resolve } from 'jsserve:internal/event_source/natives';
import { MessageEvent } from 'jsserve:internal/messaging/message_port';
import { asInterface, constants, wellFormed } from 'jsserve:internal/webidl/natives';
import { dictionary, requireArguments } from 'jsserve:internal/webidl/webidl';

const CONNECTING = 0,
  OPEN = 1,
  CLOSED = 2;
/* Sources that are not closed, by number. */
const open = { __proto__: null };
let change;

export class EventSource extends EventTarget {
  #url;
  #withCredentials;
  #state = CONNECTING;
  #number;

  static {
    change = (source, state) => {
      source.#state = state;
      if (state === CLOSED) delete open[source.#number];
    };
  }

  constructor(url, eventSourceInitDict = undefined) {
    requireArguments('EventSource', 1, arguments.length);
    super();
    const text = wellFormed(`${url}`);
    this.#withCredentials = !!dictionary(eventSourceInitDict).withCredentials;
    this.#url = resolve(text);
    this.#number = connect(this.#url);
    open[this.#number] = this;
  }

  get url() {
    return this.#url;
  }
  get withCredentials() {
    return this.#withCredentials;
  }
  get readyState() {
    return this.#state;
  }

  get onopen() {
    this.#state;
    return getHandler(this, 'open');
  }
  set onopen(value) {
    this.#state;
    setHandler(this, 'open', value);
  }
  get onmessage() {
    this.#state;
    return getHandler(this, 'message');
  }
  set onmessage(value) {
    this.#state;
    setHandler(this, 'message', value);
  }
  get onerror() {
    this.#state;
    return getHandler(this, 'error');
  }
  set onerror(value) {
    this.#state;
    setHandler(this, 'error', value);
  }

  close() {
    disconnect(this.#number);
    change(this, CLOSED);
  }
}

const announce = (number, state, type) => {
  const source = open[number];
  if (source === undefined) return;
  change(source, state);
  fire(source, new Event(type));
};
/** The response has come, and is an event stream. */
export const opened = (number) => announce(number, OPEN, 'open');
/** The connection has ended, and is made anew. */
export const lost = (number) => announce(number, CONNECTING, 'error');
/** It is not made anew. */
export const failed = (number) => {
  announce(number, CLOSED, 'error');
  disconnect(number);
};
export const deliver = (number, type, data, origin, lastEventId) => {
  const source = open[number];
  if (source === undefined) return;
  fire(source, new MessageEvent(type, { __proto__: null, data, origin, lastEventId }));
};

asInterface(EventSource, 'EventSource', 'url', 'readyState', 'withCredentials');
constants(EventSource, { __proto__: null, CONNECTING, OPEN, CLOSED });
