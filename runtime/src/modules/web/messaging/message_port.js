/* MessageChannel, MessagePort (HTML, section 9.4) and MessageEvent.
 * Owns: the classes, a port's queue. Must not know: cloning, tasks (native functions do that). Both ports of a channel are
 * in one engine. */
import { Event, initialise } from 'jsserve:internal/abort/event';
import {
  EventTarget,
  fire,
  getHandler,
  listensTo,
  setHandler,
  watch,
} from 'jsserve:internal/abort/event_target';
import { clone, hold, release } from 'jsserve:internal/messaging/natives';
import { task } from 'jsserve:internal/messaging/tasks';
import { list, push } from 'jsserve:internal/webidl/list';
import {
  asInterface,
  asPlatformObjects,
  domException,
  frozenArray,
  isIterable,
  typeError,
  wellFormed,
} from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments, text } from 'jsserve:internal/webidl/webidl';

const KEY = { __proto__: null };

let withPorts, isPort, isChannel, isDetached, entangle, deliver, look, transfer;

/* sequence<T>; `check` throws for what is no T. */
const sequence = (iterable, what, check) => {
  const all = list();
  if (iterable === undefined) return all;
  if (!isObject(iterable) || !isIterable(iterable)) typeError(`${what} is not iterable`);
  for (const item of iterable) {
    if (!check(item)) typeError(`${what}: an item is of another type`);
    push(all, item);
  }
  return all;
};

export class MessageEvent extends Event {
  #data;
  #origin;
  #id;
  #source;
  #ports;

  static {
    withPorts = (event, ports) => {
      event.#ports = frozenArray(ports);
      return event;
    };
  }

  constructor(type, init = undefined) {
    requireArguments('MessageEvent', 1, arguments.length);
    super(type, init);
    const d = dictionary(init);
    const { data } = d;
    this.#data = data === undefined ? null : data;
    this.#id = text(d.lastEventId);
    this.#origin = wellFormed(text(d.origin));
    this.#ports = frozenArray(sequence(d.ports, 'MessageEvent: ports', isPort));
    const { source } = d;
    if (source !== undefined && source !== null && !isPort(source))
      typeError('MessageEvent: source is not a MessagePort');
    this.#source = source === undefined ? null : source;
  }

  get data() {
    return this.#data;
  }
  get origin() {
    return this.#origin;
  }
  get lastEventId() {
    return this.#id;
  }
  get source() {
    return this.#source;
  }
  get ports() {
    return this.#ports;
  }

  initMessageEvent(
    type,
    bubbles = false,
    cancelable = false,
    data = null,
    origin = '',
    lastEventId = '',
    source = null,
    ports = undefined,
  ) {
    this.#data;
    requireArguments('initMessageEvent', 1, arguments.length);
    type = `${type}`;
    origin = wellFormed(`${origin}`);
    lastEventId = `${lastEventId}`;
    if (source !== null && !isPort(source)) typeError('initMessageEvent: source is not a MessagePort');
    const given = sequence(ports, 'initMessageEvent: ports', isPort);
    if (!initialise(this, type, !!bubbles, !!cancelable)) return;
    this.#data = data;
    this.#origin = origin;
    this.#id = lastEventId;
    this.#source = source;
    this.#ports = frozenArray(given);
  }
}

export class MessagePort extends EventTarget {
  /* The other end; null once the channel is closed or this end was transferred. */
  #other = null;
  #detached = false;
  #started = false;
  /* Messages not delivered yet: a list with a first entry. */
  #first = null;
  #last = null;
  /* Keeps a script alive. */
  #hold = null;

  static {
    isPort = (value) => isObject(value) && #other in value;
    isDetached = (port) => port.#detached;
    entangle = (one, two) => {
      one.#other = two;
      two.#other = one;
    };
    look = (port) => {
      const keep =
        port.#started &&
        !port.#detached &&
        (port.#other !== null || port.#first !== null) &&
        listensTo(port, 'message');
      if (keep === (port.#hold !== null)) return;
      if (keep) port.#hold = hold();
      else {
        release(port.#hold);
        port.#hold = null;
      }
    };
    deliver = (port) => {
      const message = port.#first;
      if (message === null || !port.#started || port.#detached) return;
      port.#first = message.next;
      if (port.#first === null) port.#last = null;
      look(port);
      fire(
        port,
        withPorts(new MessageEvent('message', { __proto__: null, data: message.data }), message.ports),
      );
    };
    /* Takes a port apart and puts it together as another (its transfer and transfer-receiving steps). */
    transfer = (port) => {
      const moved = new MessagePort(KEY),
        other = port.#other;
      moved.#first = port.#first;
      moved.#last = port.#last;
      port.#detached = true;
      port.#other = port.#first = port.#last = null;
      look(port);
      if (other !== null) entangle(moved, other);
      return moved;
    };
  }

  constructor(key = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
    super();
  }

  postMessage(message, options = undefined) {
    const target = this.#other;
    requireArguments('postMessage', 1, arguments.length);
    const listed = isObject(options) && isIterable(options);
    const items = sequence(
      listed ? options : dictionary(options).transfer,
      'postMessage: transfer',
      isObject,
    );
    let doomed = target === null;
    for (let i = 0; i < items.n; i++) {
      if (items[i] === this) domException('DataCloneError', 'A port cannot be transferred through itself');
      if (items[i] === target) doomed = true;
    }
    const sent = clone(message, items);
    if (doomed) return;
    const ports = list();
    for (let i = 0; i < sent.n; i++) if (isPort(sent[i])) push(ports, sent[i]);
    const entry = { __proto__: null, data: sent.data, ports, next: null };
    if (target.#last === null) target.#first = entry;
    else target.#last.next = entry;
    target.#last = entry;
    if (target.#started) task(() => deliver(target));
  }

  start() {
    if (this.#started || this.#detached) return;
    this.#started = true;
    look(this);
    for (let entry = this.#first; entry !== null; entry = entry.next) task(() => deliver(this));
  }

  close() {
    const other = this.#other;
    this.#detached = true;
    this.#other = this.#first = this.#last = null;
    look(this);
    if (other === null) return;
    other.#other = null;
    task(() => {
      look(other);
      fire(other, new Event('close'));
    });
  }

  get onmessage() {
    this.#other;
    return getHandler(this, 'message');
  }
  set onmessage(value) {
    this.#other;
    setHandler(this, 'message', value);
    this.start();
  }
  get onmessageerror() {
    this.#other;
    return getHandler(this, 'messageerror');
  }
  set onmessageerror(value) {
    this.#other;
    setHandler(this, 'messageerror', value);
  }
  get onclose() {
    this.#other;
    return getHandler(this, 'close');
  }
  set onclose(value) {
    this.#other;
    setHandler(this, 'close', value);
  }
}

export class MessageChannel {
  #one = new MessagePort(KEY);
  #two = new MessagePort(KEY);

  static {
    isChannel = (value) => #one in value;
  }

  constructor() {
    entangle(this.#one, this.#two);
  }

  get port1() {
    return this.#one;
  }
  get port2() {
    return this.#two;
  }
}

watch((target) => {
  if (isPort(target)) look(target);
});
asInterface(MessageEvent, 'MessageEvent', 'data');
asInterface(MessagePort, 'MessagePort');
asInterface(MessageChannel, 'MessageChannel', 'port1', 'port2');
asPlatformObjects({
  __proto__: null,
  platformName: (value) =>
    isPort(value) ? 'MessagePort' : isObject(value) && isChannel(value) ? 'MessageChannel' : undefined,
  isTransferable: (value) => (isPort(value) ? !isDetached(value) : undefined),
  transfer,
});
