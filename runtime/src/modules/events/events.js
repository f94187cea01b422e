/* ErrorEvent, PromiseRejectionEvent and the events of globalThis (HTML, section 8.1.4); MessageEvent,
 * MessagePort and MessageChannel (HTML, section 9.4).
 * Owns: the classes, the target that stands behind globalThis. Must not know: who reports what.
 * It may run after the app has patched prototypes: it calls no method of a built-in object. */
(function (host, dom) {
  const { Event, EventTarget, fire, getHandler, setHandler } = dom;
  const KEY = { __proto__: null };
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${got} present`);
  };
  const dictionary = (value) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!isObject(value)) host.typeError('the init is not an object');
    return value;
  };
  const text = (value) => (value === undefined ? '' : `${value}`);

  class ErrorEvent extends Event {
    #message; #filename; #lineno; #colno; #error;

    constructor(type, init = undefined) {
      need('ErrorEvent', 1, arguments.length);
      super(type, init);
      const d = dictionary(init);
      this.#message = text(d.message);
      this.#filename = text(d.filename);
      this.#lineno = d.lineno >>> 0;
      this.#colno = d.colno >>> 0;
      this.#error = d.error;
    }

    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#lineno; }
    get colno() { return this.#colno; }
    get error() { return this.#error; }
  }

  class PromiseRejectionEvent extends Event {
    #promise; #reason;

    constructor(type, init) {
      need('PromiseRejectionEvent', 2, arguments.length);
      super(type, init);
      const d = dictionary(init);
      if (!isObject(d.promise)) host.typeError('PromiseRejectionEvent: init.promise is required');
      this.#promise = d.promise;
      this.#reason = d.reason;
    }

    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
  }

  class MessageEvent extends Event {
    #data; #origin; #lastEventId; #source; #ports;

    constructor(type, init = undefined) {
      need('MessageEvent', 1, arguments.length);
      super(type, init);
      const d = dictionary(init);
      this.#data = d.data === undefined ? null : d.data;
      this.#origin = text(d.origin);
      this.#lastEventId = text(d.lastEventId);
      this.#source = d.source ?? null;
      const ports = [];
      if (d.ports !== undefined) {
        let n = 0;
        for (const port of d.ports) host.define(ports, n++, port);
      }
      this.#ports = host.freeze(ports);
    }

    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#lastEventId; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }
  }

  /* The two ends of a channel. A message is copied when it is sent, and is an event in a task of its own. */
  let entangle;

  class MessagePort extends EventTarget {
    #peer = null; #started = false; #first = null; #last = null;

    static {
      entangle = (one, two) => { one.#peer = two; two.#peer = one; };
    }

    constructor(key = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      super();
    }

    #deliver() {
      if (!this.#started || this.#first === null) return;
      const { data } = this.#first;
      this.#first = this.#first.next;
      if (this.#first === null) this.#last = null;
      fire(this, new MessageEvent('message', { __proto__: null, data }));
    }

    #receive(data) {
      const node = { __proto__: null, data, next: null };
      if (this.#last === null) this.#first = node; else this.#last.next = node;
      this.#last = node;
      if (this.#started) host.after(0, () => { this.#deliver(); });
    }

    postMessage(message, options = undefined) {
      const peer = this.#peer;
      need('postMessage', 1, arguments.length);
      const listed = isObject(options) && options[host.iterator] !== undefined;
      const data = host.clone(message, listed ? { __proto__: null, transfer: options } : options);
      if (peer !== null) peer.#receive(data);
    }

    start() {
      if (this.#started) return;
      this.#started = true;
      for (let node = this.#first; node !== null; node = node.next) host.after(0, () => { this.#deliver(); });
    }

    close() {
      const peer = this.#peer;
      if (peer === null) return;
      this.#peer = peer.#peer = null;
    }

    get onmessage() { this.#peer; return getHandler(this, 'message'); }
    set onmessage(value) {
      this.#peer;
      setHandler(this, 'message', value);
      this.start();
    }
    get onmessageerror() { this.#peer; return getHandler(this, 'messageerror'); }
    set onmessageerror(value) { this.#peer; setHandler(this, 'messageerror', value); }
  }

  class MessageChannel {
    #one = new MessagePort(KEY);
    #two = new MessagePort(KEY);

    constructor() { entangle(this.#one, this.#two); }

    get port1() { return this.#one; }
    get port2() { return this.#two; }
  }

  /* globalThis as a target. */
  const target = new EventTarget();
  dom.standFor(target, host.global);
  const { listen, unlisten, dispatchFor } = dom;
  const globals = {
    addEventListener(type, callback, options = undefined) {
      need('addEventListener', 2, arguments.length);
      host.call(listen, target, type, callback, options);
    },
    removeEventListener(type, callback, options = undefined) {
      need('removeEventListener', 2, arguments.length);
      host.call(unlisten, target, type, callback, options);
    },
    dispatchEvent(event) { return host.call(dispatchFor, target, event); },
  };
  /* onerror is called with what the event has, and says by `true` that the error is dealt with. */
  let onerror = null;
  const handlerOf = (type) => (type === 'error' ? onerror : getHandler(target, type));
  const setHandlerOf = (type, value) => {
    if (type !== 'error') {
      setHandler(target, type, value);
      return;
    }
    onerror = typeof value === 'function' ? value : null;
    setHandler(target, type, onerror === null ? null : (event) => {
      const { message, filename, lineno, colno, error } = event;
      return host.call(onerror, host.global, message, filename, lineno, colno, error) === true ? false : undefined;
    });
  };

  /* Whether an app has dealt with it. */
  const prevented = (event) => !fire(target, event);
  let reporting = false;
  const failed = (message, error) => {
    if (reporting) return false;
    reporting = true;
    try {
      return prevented(new ErrorEvent('error', { __proto__: null, cancelable: true, message, error }));
    } finally {
      reporting = false;
    }
  };
  const unhandled = (promise, reason) => prevented(
    new PromiseRejectionEvent('unhandledrejection', { __proto__: null, cancelable: true, promise, reason }));
  const handledLate = (promise, reason) => prevented(
    new PromiseRejectionEvent('rejectionhandled', { __proto__: null, promise, reason }));

  return {
    __proto__: null, ErrorEvent, PromiseRejectionEvent, MessageEvent, MessagePort, MessageChannel,
    addEventListener: globals.addEventListener, removeEventListener: globals.removeEventListener,
    dispatchEvent: globals.dispatchEvent, handlerOf, setHandlerOf, failed, unhandled, handledLate,
  };
})
