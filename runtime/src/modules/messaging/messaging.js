/* MessageChannel, MessagePort (HTML, section 9.4) and the events MessageEvent, ErrorEvent,
 * PromiseRejectionEvent, on the classes of events.js.
 * Owns: the classes, a port's queue. Must not know: cloning, tasks (the host's functions do that).
 * As events.js, it calls no method of a built-in object. Both ports of a channel are in one engine. */
(function (host, events) {
  const { Event, EventTarget, fire, getHandler, setHandler, listensTo } = events;
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${got} present`);
  };
  const dictionary = (value) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!isObject(value)) host.typeError('options must be an object');
    return value;
  };
  const text = (value, absent) => value === undefined ? absent : `${value}`;

  const KEY = { __proto__: null };
  let isPort, entangle, deliver, look, ship, dock;

  const ports = (iterable, what) => {
    const all = { __proto__: null, n: 0 };
    if (iterable === undefined) return all;
    if (!isObject(iterable)) host.typeError(`${what} is not iterable`);
    for (const port of iterable) {
      if (!isPort(port)) host.typeError(`${what}: an item is not a MessagePort`);
      all[all.n++] = port;
    }
    return all;
  };

  class MessageEvent extends Event {
    #data; #origin; #id; #source; #ports;

    constructor(type, init = undefined) {
      need('MessageEvent', 1, arguments.length);
      super(type, init);
      const d = dictionary(init);
      const { data } = d;
      this.#data = data === undefined ? null : data;
      this.#id = text(d.lastEventId, '');
      this.#origin = host.wellFormed(text(d.origin, ''));
      this.#ports = host.frozen(ports(d.ports, 'MessageEvent: ports'));
      const { source } = d;
      if (source !== undefined && source !== null && !isPort(source)) host.typeError('MessageEvent: source is not a MessagePort');
      this.#source = source === undefined ? null : source;
    }

    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#id; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }

    initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = '', lastEventId = '', source = null, list = undefined) {
      this.#data;
      need('initMessageEvent', 1, arguments.length);
      const given = ports(list, 'initMessageEvent: ports');
      origin = host.wellFormed(`${origin}`); lastEventId = `${lastEventId}`;
      if (source !== null && !isPort(source)) host.typeError('initMessageEvent: source is not a MessagePort');
      if (!events.init(this, `${type}`, !!bubbles, !!cancelable)) return;
      this.#data = data; this.#origin = origin; this.#id = lastEventId; this.#source = source;
      this.#ports = host.frozen(given);
    }
  }

  let argumentsOf;

  class ErrorEvent extends Event {
    #message; #filename; #line; #column; #error;

    static {
      /* What `onerror` is called with; null for another event. */
      argumentsOf = (event) => #error in event
        ? { __proto__: null, message: event.#message, file: event.#filename, line: event.#line, column: event.#column, error: event.#error }
        : null;
    }

    constructor(type, init = undefined) {
      need('ErrorEvent', 1, arguments.length);
      super(type, init);
      const d = dictionary(init);
      this.#column = +(d.colno ?? 0) >>> 0;
      this.#error = d.error;
      this.#filename = host.wellFormed(text(d.filename, ''));
      this.#line = +(d.lineno ?? 0) >>> 0;
      this.#message = text(d.message, '');
    }

    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#line; }
    get colno() { return this.#column; }
    get error() { return this.#error; }
  }

  class PromiseRejectionEvent extends Event {
    #promise; #reason;

    constructor(type, init) {
      need('PromiseRejectionEvent', 2, arguments.length);
      super(type, init);
      const d = dictionary(init);
      const { promise, reason } = d;
      if (!isObject(promise)) host.typeError('PromiseRejectionEvent: promise is not an object');
      this.#promise = promise;
      this.#reason = reason;
    }

    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
  }

  class MessagePort extends EventTarget {
    /* The other end; null once the channel is closed or this end was transferred. */
    #other = null; #detached = false; #started = false;
    /* Messages not delivered yet: a list with a first entry. */
    #first = null; #last = null;
    /* Keeps a script alive. */
    #hold = null;

    static {
      isPort = (value) => isObject(value) && #other in value;
      entangle = (one, two) => { one.#other = two; two.#other = one; };
      look = (port) => {
        const keep = port.#started && !port.#detached && (port.#other !== null || port.#first !== null) && listensTo(port, 'message');
        if (keep === (port.#hold !== null)) return;
        if (keep) port.#hold = host.hold();
        else { host.release(port.#hold); port.#hold = null; }
      };
      deliver = (port) => {
        const message = port.#first;
        if (message === null || !port.#started || port.#detached) return;
        port.#first = message.next;
        if (port.#first === null) port.#last = null;
        look(port);
        fire(port, new MessageEvent('message', { __proto__: null, data: message.data, ports: message.ports }));
      };
      /* Takes a port apart, to be put together as another (its transfer steps). */
      ship = (port) => {
        const parts = { __proto__: null, other: port.#other, first: port.#first, last: port.#last };
        port.#detached = true;
        port.#other = port.#first = port.#last = null;
        look(port);
        return parts;
      };
      dock = (parts) => {
        const port = new MessagePort(KEY);
        port.#first = parts.first; port.#last = parts.last;
        if (parts.other !== null) entangle(port, parts.other);
        return port;
      };
    }

    constructor(key = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      super();
    }

    postMessage(message, options = undefined) {
      const target = this.#other;
      need('postMessage', 1, arguments.length);
      const shipped = { __proto__: null, n: 0 }, buffers = { __proto__: null, n: 0 };
      let list = options;
      if (options === null) list = undefined;
      else if (options !== undefined && (!isObject(options) || !host.isIterable(options))) list = dictionary(options).transfer;
      if (list !== undefined) {
        if (!isObject(list)) host.typeError('postMessage: transfer is not iterable');
        for (const item of list) {
          if (!isObject(item)) host.typeError('postMessage: an entry of transfer is not an object');
          if (!isPort(item)) { buffers[buffers.n++] = item; continue; }
          if (item === this) host.dataClone('A port cannot be transferred through itself');
          if (item.#detached) host.dataClone('A MessagePort is closed or was transferred before');
          for (let i = 0; i < shipped.n; i++) if (shipped[i] === item) host.dataClone('A MessagePort is in the transfer list twice');
          shipped[shipped.n++] = item;
        }
      }
      if (isPort(message)) host.dataClone('A MessagePort inside of a message is not carried: take it from event.ports');
      const data = host.clone(message, buffers);
      let doomed = target === null;
      const moved = { __proto__: null, n: 0 };
      for (let i = 0; i < shipped.n; i++) {
        if (shipped[i] === target) doomed = true;
        moved[moved.n++] = dock(ship(shipped[i]));
      }
      if (doomed) return;
      const entry = { __proto__: null, data, ports: host.frozen(moved), next: null };
      if (target.#last === null) target.#first = entry; else target.#last.next = entry;
      target.#last = entry;
      if (target.#started) host.task(() => deliver(target));
    }

    start() {
      if (this.#started || this.#detached) return;
      this.#started = true;
      look(this);
      for (let entry = this.#first; entry !== null; entry = entry.next) host.task(() => deliver(this));
    }

    close() {
      const other = this.#other;
      this.#detached = true;
      this.#other = this.#first = this.#last = null;
      look(this);
      if (other === null) return;
      other.#other = null;
      host.task(() => {
        look(other);
        fire(other, new Event('close'));
      });
    }

    get onmessage() { this.#other; return getHandler(this, 'message'); }
    set onmessage(value) { this.#other; setHandler(this, 'message', value); this.start(); }
    get onmessageerror() { this.#other; return getHandler(this, 'messageerror'); }
    set onmessageerror(value) { this.#other; setHandler(this, 'messageerror', value); }
    get onclose() { this.#other; return getHandler(this, 'close'); }
    set onclose(value) { this.#other; setHandler(this, 'close', value); }
  }

  class MessageChannel {
    #one = new MessagePort(KEY); #two = new MessagePort(KEY);

    constructor() { entangle(this.#one, this.#two); }

    get port1() { return this.#one; }
    get port2() { return this.#two; }
  }

  events.watch((target) => { if (isPort(target)) look(target); });
  events.errorArguments(argumentsOf);
  const cancelable = (init) => ({ __proto__: null, cancelable: true, ...init });
  return {
    __proto__: null, MessageEvent, ErrorEvent, PromiseRejectionEvent, MessagePort, MessageChannel,
    /* Each says whether the event was not cancelled. */
    error: (message, filename, lineno, colno, error) =>
      fire(host.global, new ErrorEvent('error', cancelable({ message, filename, lineno, colno, error }))),
    rejection: (promise, reason) =>
      fire(host.global, new PromiseRejectionEvent('unhandledrejection', cancelable({ promise, reason }))),
  };
})
