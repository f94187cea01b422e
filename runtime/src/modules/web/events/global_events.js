/* ErrorEvent, PromiseRejectionEvent and the events of globalThis (HTML, section 8.1.4).
 * Owns: the classes, the target that stands behind globalThis. Must not know: who reports what. */
import { Event } from 'jsserve:internal/abort/event';
import {
  dispatchFor,
  EventTarget,
  fire,
  getHandler,
  listen,
  setHandler,
  standFor,
  unlisten,
} from 'jsserve:internal/abort/event_target';
import { global, hear } from 'jsserve:internal/events/natives';
import { asInterface, call, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments, text } from 'jsserve:internal/webidl/webidl';

export class ErrorEvent extends Event {
  #message;
  #filename;
  #lineno;
  #colno;
  #error;

  constructor(type, init = undefined) {
    requireArguments('ErrorEvent', 1, arguments.length);
    super(type, init);
    const d = dictionary(init, 'init');
    this.#message = text(d.message);
    this.#filename = text(d.filename);
    this.#lineno = d.lineno >>> 0;
    this.#colno = d.colno >>> 0;
    this.#error = d.error;
  }

  get message() {
    return this.#message;
  }
  get filename() {
    return this.#filename;
  }
  get lineno() {
    return this.#lineno;
  }
  get colno() {
    return this.#colno;
  }
  get error() {
    return this.#error;
  }
}

export class PromiseRejectionEvent extends Event {
  #promise;
  #reason;

  constructor(type, init) {
    requireArguments('PromiseRejectionEvent', 2, arguments.length);
    super(type, init);
    const d = dictionary(init, 'init');
    if (!isObject(d.promise)) typeError('PromiseRejectionEvent: init.promise is required');
    this.#promise = d.promise;
    this.#reason = d.reason;
  }

  get promise() {
    return this.#promise;
  }
  get reason() {
    return this.#reason;
  }
}

/* globalThis as a target. */
const target = new EventTarget();
standFor(target, global);
const operations = {
  addEventListener(type, callback, options = undefined) {
    requireArguments('addEventListener', 2, arguments.length);
    call(listen, target, type, callback, options);
  },
  removeEventListener(type, callback, options = undefined) {
    requireArguments('removeEventListener', 2, arguments.length);
    call(unlisten, target, type, callback, options);
  },
  dispatchEvent(event) {
    return call(dispatchFor, target, event);
  },
};
/* onerror is called with what the event has, and says by `true` that the error is dealt with. */
let onerror = null;
export const handlerOf = (type) => (type === 'error' ? onerror : getHandler(target, type));
export const setHandlerOf = (type, value) => {
  if (type !== 'error') {
    setHandler(target, type, value);
    return;
  }
  onerror = typeof value === 'function' ? value : null;
  setHandler(
    target,
    type,
    onerror === null
      ? null
      : (event) => {
          const { message, filename, lineno, colno, error } = event;
          return call(onerror, global, message, filename, lineno, colno, error) === true ? false : undefined;
        },
  );
};

/* Whether an app has dealt with it. */
const prevented = (event) => !fire(target, event);
let reporting = false;
export const failed = (message, error, { filename, lineno, colno }) => {
  if (reporting) return false;
  reporting = true;
  try {
    return prevented(
      new ErrorEvent('error', { __proto__: null, cancelable: true, message, filename, lineno, colno, error }),
    );
  } finally {
    reporting = false;
  }
};
export const unhandled = (promise, reason) =>
  prevented(
    new PromiseRejectionEvent('unhandledrejection', { __proto__: null, cancelable: true, promise, reason }),
  );
export const handledLate = (promise, reason) =>
  prevented(new PromiseRejectionEvent('rejectionhandled', { __proto__: null, promise, reason }));
export const { addEventListener, removeEventListener, dispatchEvent } = operations;

asInterface(ErrorEvent, 'ErrorEvent', 'message', 'filename', 'lineno', 'colno', 'error');
asInterface(PromiseRejectionEvent, 'PromiseRejectionEvent', 'promise', 'reason');
hear();
