/* ErrorEvent, PromiseRejectionEvent and the events of globalThis (HTML, section 8.1.4).
 * Owns: the classes, the target that stands behind globalThis. Must not know: who reports what.
 * It may run after the app has patched prototypes: it calls no method of a built-in object. */
(function (host, dom) {
  const { Event, EventTarget, fire, getHandler, setHandler } = dom;
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
  const failed = (message, error, { filename, lineno, colno }) => {
    if (reporting) return false;
    reporting = true;
    try {
      return prevented(new ErrorEvent('error', { __proto__: null, cancelable: true, message, filename, lineno, colno, error }));
    } finally {
      reporting = false;
    }
  };
  const unhandled = (promise, reason) => prevented(
    new PromiseRejectionEvent('unhandledrejection', { __proto__: null, cancelable: true, promise, reason }));
  const handledLate = (promise, reason) => prevented(
    new PromiseRejectionEvent('rejectionhandled', { __proto__: null, promise, reason }));

  return {
    __proto__: null, ErrorEvent, PromiseRejectionEvent,
    addEventListener: globals.addEventListener, removeEventListener: globals.removeEventListener,
    dispatchEvent: globals.dispatchEvent, handlerOf, setHandlerOf, failed, unhandled, handledLate,
  };
})
