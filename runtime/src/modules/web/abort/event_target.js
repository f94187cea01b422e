/* EventTarget (DOM, section 2), and event handler attributes.
 * Owns: the class, listeners, dispatch. Must not know: what a signal is (abort_signal.js tells what it needs), who is a
 * target. */
import {
  begin,
  busy,
  cancel,
  end,
  isEvent,
  passive,
  stopped,
  stoppedNow,
  trusted,
  typeOf,
} from 'jsserve:internal/abort/event';
import { extendAdopted, invokeCallback, performance, weak } from 'jsserve:internal/abort/natives';
import { list, push, without } from 'jsserve:internal/webidl/list';
import { asInterface, asPlatformObjects, domException, typeError } from 'jsserve:internal/webidl/natives';
import { isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

/* What scripts see in place of a target: globalThis and the native `performance` cannot be one themselves. */
let standIn = null,
  stoodFor,
  clock = null;
const shown = (target) => (target === standIn ? stoodFor : target === clock ? performance : target);
const behind = (object) => (object === performance ? (clock ??= new EventTarget()) : object);
/** Has `target` stand for `object`. */
export const standFor = (target, object) => {
  standIn = target;
  stoodFor = object;
};

/* Told of each target whose listeners have changed. */
const watchers = list();
const told = (target) => {
  for (let i = 0; i < watchers.n; i++) watchers[i](target);
};
export const watch = (watcher) => {
  push(watchers, watcher);
};

/* What is done with signals: nothing before there can be one. */
let signals = {
  __proto__: null,
  isSignal: (_value) => false,
  isAborted: undefined,
  follow: undefined,
  forget: undefined,
};
export const useSignals = (operations) => {
  signals = operations;
};

export let listeners, remove;
let add, isTarget;

const capturing = (options) => (isObject(options) ? !!options.capture : !!options);
const callbackOf = (value) => {
  if (value === null || value === undefined) return null;
  if (!isObject(value)) typeError('the listener is neither a function nor an object');
  return value;
};
const find = (all, type, callback, capture) => {
  for (let i = 0; i < all.n; i++) {
    const entry = all[i];
    if (entry.type === type && entry.callback === callback && entry.capture === capture && !entry.handler)
      return entry;
  }
  return null;
};
const findHandler = (all, type) => {
  for (let i = 0; i < all.n; i++) if (all[i].handler && all[i].type === type) return all[i];
  return null;
};

export class EventTarget {
  /* Replaced, never changed in place: a dispatch under way walks the list as it was. */
  #list = list();

  static {
    isTarget = (value) => #list in value;
    listeners = (target) => target.#list;
    add = (target, entry) => {
      const longer = without(target.#list, null);
      push(longer, entry);
      target.#list = longer;
      told(target);
    };
    remove = (target, entry) => {
      entry.removed = true;
      target.#list = without(target.#list, entry);
      told(target);
      if (entry.signal !== undefined) signals.forget(entry.signal, entry.algorithm);
    };
  }

  addEventListener(type, callback, options = undefined) {
    const target = behind(this);
    listeners(target);
    requireArguments('addEventListener', 2, arguments.length);
    type = `${type}`;
    callback = callbackOf(callback);
    const entry = {
      __proto__: null,
      type,
      callback,
      capture: capturing(options),
      once: false,
      passive: false,
      removed: false,
      handler: false,
    };
    let signal;
    if (isObject(options)) {
      entry.once = !!options.once;
      entry.passive = !!options.passive;
      signal = options.signal;
      if (signal !== undefined && !signals.isSignal(signal))
        typeError('addEventListener: signal is not an AbortSignal');
    }
    if (callback === null || (signal !== undefined && signals.isAborted(signal))) return;
    if (find(listeners(target), type, callback, entry.capture) !== null) return;
    add(target, entry);
    if (signal === undefined) return;
    entry.signal = signal;
    // Weakly: a signal that lives on does not keep what only wants to be told.
    entry.algorithm = { __proto__: null, target: weak(target), entry: weak(entry) };
    signals.follow(signal, entry.algorithm);
  }

  removeEventListener(type, callback, options = undefined) {
    const target = behind(this);
    listeners(target);
    requireArguments('removeEventListener', 2, arguments.length);
    type = `${type}`;
    callback = callbackOf(callback);
    const capture = capturing(options);
    const entry = find(listeners(target), type, callback, capture);
    if (entry !== null) remove(target, entry);
  }

  dispatchEvent(event) {
    const target = behind(this);
    listeners(target);
    if (!isEvent(event)) typeError('dispatchEvent: argument 1 is not an Event');
    if (busy(event)) domException('InvalidStateError', 'The event is already being dispatched');
    return dispatch(target, trusted(event, false));
  }
}

const hear = (target, event, capture) => {
  if (stopped(event)) return;
  const all = listeners(target);
  for (let i = 0; i < all.n; i++) {
    const entry = all[i];
    if (entry.removed || entry.type !== typeOf(event) || entry.capture !== capture) continue;
    if (entry.once) remove(target, entry);
    passive(event, entry.passive);
    const answer = invokeCallback(entry.callback, shown(target), event, entry.handler);
    passive(event, false);
    if (entry.handler && answer === false) cancel(event);
    if (stoppedNow(event)) return;
  }
};
const dispatch = (target, event) => {
  begin(event, shown(target));
  hear(target, event, true);
  hear(target, event, false);
  return end(event);
};
/* An event handler attribute (HTML, section 8.1.8.1): it keeps its place until it is set to null. */
export const getHandler = (target, type) => {
  const entry = findHandler(listeners(target), type);
  return entry === null ? null : entry.callback;
};
export const setHandler = (target, type, value) => {
  const entry = findHandler(listeners(target), type);
  if (!isObject(value)) {
    if (entry !== null) remove(target, entry);
  } else if (entry !== null) {
    entry.callback = value;
  } else {
    add(target, {
      __proto__: null,
      type,
      callback: value,
      capture: false,
      once: false,
      passive: false,
      removed: false,
      handler: true,
    });
  }
};

/** Dispatches an event of the platform's. */
export const fire = (target, event) => dispatch(target, trusted(event, true));
export const listensTo = (target, type) => {
  const all = listeners(target);
  for (let i = 0; i < all.n; i++) if (all[i].type === type) return true;
  return false;
};
/* As they are, whatever an app makes of the prototype. */
export const {
  addEventListener: listen,
  removeEventListener: unlisten,
  dispatchEvent: dispatchFor,
} = EventTarget.prototype;

asInterface(EventTarget, 'EventTarget');
asPlatformObjects({
  __proto__: null,
  platformName: (value) => (isObject(value) && isTarget(value) ? 'EventTarget' : undefined),
});
extendAdopted(EventTarget);
