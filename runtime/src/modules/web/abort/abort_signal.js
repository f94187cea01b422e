/* AbortSignal and AbortController (DOM, section 3).
 * Owns: the classes, which signal depends on which, how long one lives. Must not know: timers, weak references (native
 * functions have them). */
import { Event } from 'jsserve:internal/abort/event';
import {
  EventTarget,
  fire,
  getHandler,
  listeners,
  remove,
  setHandler,
  useSignals,
  watch,
} from 'jsserve:internal/abort/event_target';
import { deref, expire, invokeCallback, weak } from 'jsserve:internal/abort/natives';
import { list, push, without } from 'jsserve:internal/webidl/list';
import { asInterface, asPlatformObjects, newDomException, typeError } from 'jsserve:internal/webidl/natives';
import { isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

const KEY = { __proto__: null };
let isController,
  changed,
  serial = 0;
export let abort, isSignal, isAborted, reason, follow, forget, dependent;

/* Those of AbortSignal.timeout that somebody listens to, by number: their timers hold them weakly. */
const timed = { __proto__: null };
/* The native side of a timer, which ends with it. */
const startTimer = (milliseconds, weakly) =>
  expire(milliseconds, () => {
    const signal = deref(weakly);
    if (signal !== undefined)
      abort(signal, newDomException('TimeoutError', 'The operation was aborted due to timeout'));
  });

export class AbortSignal extends EventTarget {
  /* Each a function, or a listener to be removed: `target` and `entry`, weakly. */
  #aborted = false;
  #reason = undefined;
  #algorithms = list();
  #sweepAlgorithms = 16;
  /* What this signal depends on; and who depends on it: weakly, and strongly while it is listened to. */
  #sources = null;
  #dependents = null;
  #sweep = 16;
  #listened = null;
  #heard = 0;
  #id = ++serial;
  #kept = false;
  #timer = null;

  static {
    isSignal = (value) => isObject(value) && #aborted in value;
    isAborted = (signal) => signal.#aborted;
    reason = (signal) => signal.#reason;
    follow = (signal, algorithm) => {
      if (signal.#aborted) return;
      if (signal.#algorithms.n >= signal.#sweepAlgorithms) sweep(signal);
      push(signal.#algorithms, algorithm);
      changed(signal);
    };
    const sweep = (signal) => {
      const live = list(),
        all = signal.#algorithms;
      for (let i = 0; i < all.n; i++)
        if (typeof all[i] === 'function' || deref(all[i].target) !== undefined) push(live, all[i]);
      signal.#algorithms = live;
      signal.#sweepAlgorithms = live.n * 2 + 16;
    };
    forget = (signal, algorithm) => {
      signal.#algorithms = without(signal.#algorithms, algorithm);
      changed(signal);
    };
    /* A dependent that somebody listens to lives as long as its sources; a timeout, until its time. */
    changed = (target) => {
      if (!(#aborted in target) || (target.#sources === null && target.#timer === null)) return;
      const keep =
        !target.#aborted && (target.#algorithms.n > 0 || listeners(target).n > 0 || target.#heard > 0);
      if (keep === target.#kept) return;
      target.#kept = keep;
      if (target.#timer !== null) {
        if (keep) timed[target.#id] = target;
        else delete timed[target.#id];
        return;
      }
      for (let i = 0; i < target.#sources.n; i++) {
        const source = target.#sources[i];
        const listened = (source.#listened ??= { __proto__: null });
        if (keep) listened[target.#id] = target;
        else delete listened[target.#id];
        source.#heard += keep ? 1 : -1;
        changed(source);
      }
    };
    dependent = (source) => {
      const result = new AbortSignal(KEY);
      if (source.#aborted) {
        result.#aborted = true;
        result.#reason = source.#reason;
        return result;
      }
      result.#sources = list();
      if (source.#sources === null) result.#dependOn(source);
      else for (let i = 0; i < source.#sources.n; i++) result.#dependOn(source.#sources[i]);
      return result;
    };
    const mark = (signal, reason) => {
      signal.#aborted = true;
      signal.#reason = reason;
    };
    const run = (signal) => {
      const all = signal.#algorithms;
      signal.#algorithms = list();
      for (let i = 0; i < all.n; i++) {
        if (typeof all[i] === 'function') {
          invokeCallback(all[i], undefined, signal.#reason, false);
          continue;
        }
        const target = deref(all[i].target),
          entry = deref(all[i].entry);
        if (target !== undefined && entry !== undefined && !entry.removed) remove(target, entry);
      }
      fire(signal, new Event('abort'));
      changed(signal);
    };
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      mark(
        signal,
        reason === undefined ? newDomException('AbortError', 'This operation was aborted') : reason,
      );
      const due = list(),
        dependents = signal.#dependents ?? list();
      for (let i = 0; i < dependents.n; i++) {
        const dependent = deref(dependents[i]);
        if (dependent === undefined || dependent.#aborted) continue;
        mark(dependent, signal.#reason);
        push(due, dependent);
      }
      signal.#dependents = null;
      run(signal);
      for (let i = 0; i < due.n; i++) run(due[i]);
    };
  }

  constructor(key = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
    super();
  }

  static abort(reason = undefined) {
    const signal = new AbortSignal(KEY);
    abort(signal, reason);
    return signal;
  }

  static timeout(milliseconds) {
    requireArguments('AbortSignal.timeout', 1, arguments.length);
    const ms = +milliseconds;
    const whole = ms - (ms % 1);
    if (!(whole >= 0 && whole <= 9007199254740991))
      typeError('AbortSignal.timeout: the time is out of range');
    const signal = new AbortSignal(KEY);
    signal.#timer = startTimer(whole, weak(signal));
    return signal;
  }

  static any(signals) {
    requireArguments('AbortSignal.any', 1, arguments.length);
    if (!isObject(signals)) typeError('AbortSignal.any: argument 1 is not iterable');
    const all = list();
    for (const signal of signals) {
      if (!isSignal(signal)) typeError('AbortSignal.any: an item is not an AbortSignal');
      push(all, signal);
    }
    const result = new AbortSignal(KEY);
    for (let i = 0; i < all.n; i++) {
      if (all[i].#aborted) {
        result.#aborted = true;
        result.#reason = all[i].#reason;
        return result;
      }
    }
    result.#sources = list();
    for (let i = 0; i < all.n; i++) {
      const sources = all[i].#sources;
      if (sources === null) result.#dependOn(all[i]);
      else for (let j = 0; j < sources.n; j++) result.#dependOn(sources[j]);
    }
    return result;
  }

  #dependOn(source) {
    for (let i = 0; i < this.#sources.n; i++) if (this.#sources[i] === source) return;
    push(this.#sources, source);
    let known = (source.#dependents ??= list());
    if (known.n >= source.#sweep) {
      const live = list();
      for (let i = 0; i < known.n; i++) if (deref(known[i]) !== undefined) push(live, known[i]);
      known = source.#dependents = live;
      source.#sweep = live.n * 2 + 16;
    }
    push(known, weak(this));
  }

  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  get onabort() {
    this.#aborted;
    return getHandler(this, 'abort');
  }
  set onabort(value) {
    this.#aborted;
    setHandler(this, 'abort', value);
  }
}

export class AbortController {
  #signal = new AbortSignal(KEY);

  static {
    isController = (value) => #signal in value;
  }

  get signal() {
    return this.#signal;
  }
  abort(reason = undefined) {
    abort(this.#signal, reason);
  }
}

/** A signal that only `abort` aborts. */
export const create = () => new AbortSignal(KEY);

useSignals({ __proto__: null, isSignal, isAborted, follow, forget });
watch(changed);
asInterface(AbortSignal, 'AbortSignal', 'aborted');
asInterface(AbortController, 'AbortController', 'signal');
asPlatformObjects({
  __proto__: null,
  platformName: (value) => (isObject(value) && isController(value) ? 'AbortController' : undefined),
});
