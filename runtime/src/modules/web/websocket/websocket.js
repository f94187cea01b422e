/* WebSocket (WebSockets Standard, section 3), WebSocketPair as Workers have it, and CloseEvent.
 * Owns: the classes, which events are fired. Must not know: frames, connections (state.rs, client/). A socket holds a `ws`
 * of the hooks and hears of what happens by the functions at the end. */
import { Event } from 'jsserve:internal/abort/event';
import { EventTarget, fire, getHandler, listensTo, setHandler } from 'jsserve:internal/abort/event_target';
import { ErrorEvent } from 'jsserve:internal/events/global_events';
import { MessageEvent } from 'jsserve:internal/messaging/message_port';
import { asInterface, constants, domException, typeError, wellFormed } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments, text } from 'jsserve:internal/webidl/webidl';
import * as natives from 'jsserve:internal/websocket/natives';

const KEY = { __proto__: null };
const CONNECTING = 0,
  OPEN = 1,
  CLOSING = 2,
  CLOSED = 3;
const REASON_BYTES_MAX = 123;

/* What a socket is to the app. */
const SERVER = 'upgraded',
  PAIRED = 'paired',
  CLIENT = 'client';

/* The clients that are not closed, by number: none of them is garbage. */
const clients = { __proto__: null };

export class CloseEvent extends Event {
  #wasClean;
  #code;
  #reason;

  constructor(type, init = undefined) {
    requireArguments('CloseEvent', 1, arguments.length);
    super(type, init);
    const d = dictionary(init);
    this.#code = d.code & 0xffff;
    this.#reason = text(d.reason);
    this.#wasClean = !!d.wasClean;
  }

  get wasClean() {
    return this.#wasClean;
  }
  get code() {
    return this.#code;
  }
  get reason() {
    return this.#reason;
  }
}

let isSocket, handle, pair, take, isAnswer, deliver, kindOf;

export class WebSocket extends EventTarget {
  #handle = null;
  #kind;
  #binaryType = 'blob';
  /* The other end, of a pair. */
  #other = null;
  #accepted = false;
  #taken = false;

  static {
    isSocket = (value) => isObject(value) && #handle in value;
    kindOf = (socket) => socket.#kind;
    handle = (socket) => (socket.#handle ??= natives.create(socket.#kind === CLIENT));
    pair = (one, two) => {
      one.#other = two;
      two.#other = one;
    };
    isAnswer = (socket) => (socket.#kind === SERVER || socket.#other !== null) && !socket.#accepted;
    take = (socket) => {
      if (socket.#taken) typeError('The WebSocket has answered a request already');
      socket.#taken = true;
      const server = socket.#kind === SERVER ? socket : socket.#other;
      server.#accepted = true;
      return server;
    };
    deliver = (socket, data) =>
      typeof data === 'string' || socket.#binaryType === 'arraybuffer' ? data : natives.blob(data);
  }

  constructor(url, protocols = undefined) {
    if (url === KEY) {
      super();
      this.#kind = protocols;
      if (protocols === PAIRED) this.#binaryType = 'arraybuffer';
      return;
    }
    requireArguments('WebSocket', 1, arguments.length);
    super();
    this.#kind = CLIENT;
    const number = natives.connect(handle(this), wellFormed(`${url}`), protocols);
    clients[number] = { __proto__: null, socket: this, origin: natives.origin(this.#handle) };
  }

  /** Of a pair: from now on messages come. */
  accept() {
    if (this.#kind !== PAIRED) typeError('accept() is for an end of a WebSocketPair');
    if (this.#taken) typeError('This end of the WebSocketPair is the answer to a request');
    this.#accepted = true;
    handle(this);
  }

  get url() {
    return this.#handle === null ? '' : natives.url(this.#handle);
  }
  get readyState() {
    const state = this.#handle === null ? CONNECTING : natives.readyState(this.#handle);
    // What is sent before the answer is sent waits for that.
    return state === CONNECTING && this.#accepted && this.#kind === PAIRED ? OPEN : state;
  }
  get bufferedAmount() {
    return this.#handle === null ? 0 : natives.bufferedAmount(this.#handle);
  }
  get extensions() {
    return this.#handle === null ? '' : natives.extensions(this.#handle);
  }
  get protocol() {
    return this.#handle === null ? '' : natives.protocol(this.#handle);
  }
  get binaryType() {
    return this.#binaryType;
  }
  set binaryType(value) {
    this.#handle;
    value = `${value}`;
    if (value === 'blob' || value === 'arraybuffer') this.#binaryType = value;
  }

  send(data) {
    this.#handle;
    requireArguments('send', 1, arguments.length);
    if (this.#kind !== CLIENT) {
      if (this.#kind === PAIRED && !this.#accepted) typeError('accept() comes before send()');
      if (this.readyState === CONNECTING)
        domException('InvalidStateError', 'send: the WebSocket is not open yet');
    }
    natives.send(this.#handle, data);
  }

  close(code = undefined, reason = undefined) {
    this.#handle;
    if (code !== undefined) code = +code;
    const why = reason === undefined ? '' : `${reason}`;
    if (code !== undefined) code = natives.closeCode(code, this.#kind === CLIENT);
    else if (why !== '') code = 1000;
    if (natives.byteLength(why) > REASON_BYTES_MAX)
      domException('SyntaxError', 'close: the reason is longer than 123 bytes');
    natives.close(handle(this), code, why);
  }

  get onopen() {
    this.#handle;
    return getHandler(this, 'open');
  }
  set onopen(value) {
    this.#handle;
    setHandler(this, 'open', value);
  }
  get onmessage() {
    this.#handle;
    return getHandler(this, 'message');
  }
  set onmessage(value) {
    this.#handle;
    setHandler(this, 'message', value);
  }
  get onerror() {
    this.#handle;
    return getHandler(this, 'error');
  }
  set onerror(value) {
    this.#handle;
    setHandler(this, 'error', value);
  }
  get onclose() {
    this.#handle;
    return getHandler(this, 'close');
  }
  set onclose(value) {
    this.#handle;
    setHandler(this, 'close', value);
  }
}

export class WebSocketPair {
  constructor() {
    const one = new WebSocket(KEY, PAIRED),
      two = new WebSocket(KEY, PAIRED);
    pair(one, two);
    this[0] = one;
    this[1] = two;
  }
}

/* For Rust. */

/** A socket for a request that is upgraded. */
export const serverSocket = () => {
  const socket = new WebSocket(KEY, SERVER);
  handle(socket);
  return socket;
};
export const isClient = (value) => isSocket(value) && isAnswer(value);
export const takeClient = (value) => take(value);
export const handleOf = (socket) => handle(socket);

/* What happens to a socket. */
export const open = (socket) => {
  if (kindOf(socket) !== PAIRED) fire(socket, new Event('open'));
};
export const message = (socket, data) => {
  if (!listensTo(socket, 'message')) return;
  fire(socket, new MessageEvent('message', { __proto__: null, data: deliver(socket, data) }));
};
export const error = (socket, error) => {
  fire(socket, new ErrorEvent('error', { __proto__: null, message: error.message, error }));
};
export const close = (socket, code, reason, wasClean) => {
  fire(socket, new CloseEvent('close', { __proto__: null, code, reason, wasClean }));
};

/* What happens to a client. */
export const opened = (number) => fire(clients[number].socket, new Event('open'));
export const received = (number, data) => {
  const { socket, origin } = clients[number];
  if (!listensTo(socket, 'message')) return;
  fire(socket, new MessageEvent('message', { __proto__: null, data: deliver(socket, data), origin }));
};
export const ended = (number, code, reason, wasClean, failure) => {
  const { socket } = clients[number];
  delete clients[number];
  if (failure !== undefined) error(socket, failure);
  close(socket, code, reason, wasClean);
};

asInterface(CloseEvent, 'CloseEvent', 'wasClean', 'code', 'reason');
asInterface(WebSocket, 'WebSocket', 'url', 'readyState', 'protocol', 'binaryType', 'bufferedAmount');
asInterface(WebSocketPair, 'WebSocketPair');
constants(WebSocket, { __proto__: null, CONNECTING, OPEN, CLOSING, CLOSED });
