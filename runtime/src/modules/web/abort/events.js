/* Event, CustomEvent, EventTarget, AbortSignal, AbortController of the DOM standard (sections 2, 3).
 * Owns: the classes. Must not know: timers, reporting (the host's functions do that).
 * It may run after the app has patched prototypes: it calls no method of a built-in object, and keeps
 * its lists in objects without a prototype. There are no trees here: an event's path is one target. */
(function (host) {
  const list = () => ({ __proto__: null, n: 0 });
  const push = (all, item) => { all[all.n++] = item; };
  const without = (all, item) => {
    const rest = list();
    for (let i = 0; i < all.n; i++) if (all[i] !== item) push(rest, all[i]);
    return rest;
  };
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${got} present`);
  };
  const dictionary = (value) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!isObject(value)) host.typeError('options must be an object');
    return value;
  };

  /* What scripts see in place of a target: globalThis and the native `performance` cannot be one themselves. */
  let standIn = null, stoodFor, clock = null;
  const { performance } = host;
  const shown = (target) => (target === standIn ? stoodFor : target === clock ? performance : target);
  const behind = (object) => (object === performance ? clock ??= new EventTarget() : object);

  let isEvent, trust, initialise, busy, typeOf, trusted, begin, end, stopped, stoppedNow, passive, cancel;

  class Event {
    #type; #bubbles; #cancelable; #composed; #target = null; #current = null; #phase = 0;
    #stop = false; #stopNow = false; #canceled = false; #passive = false; #busy = false; #trusted = false;
    #time = host.now();

    static {
      isEvent = (value) => isObject(value) && #busy in value;
      trust = host.getter({ get isTrusted() { return this.#trusted; } });
      trusted = (event, yes) => { event.#trusted = yes; return event; };
      begin = (event, target) => {
        event.#busy = true; event.#phase = 2;
        event.#target = event.#current = shown(target);
      };
      end = (event) => {
        event.#busy = event.#stop = event.#stopNow = false; event.#phase = 0;
        event.#current = null;
        return !event.#canceled;
      };
      stopped = (event) => event.#stop;
      stoppedNow = (event) => event.#stopNow;
      passive = (event, yes) => { event.#passive = yes; };
      cancel = (event) => { if (event.#cancelable && !event.#passive) event.#canceled = true; };
      busy = (event) => event.#busy;
      typeOf = (event) => event.#type;
      /* Whether it could be: not while it is dispatched. */
      initialise = (event, type, bubbles, cancelable) => {
        if (event.#busy) return false;
        event.#type = type; event.#bubbles = bubbles; event.#cancelable = cancelable;
        event.#stop = event.#stopNow = event.#canceled = event.#trusted = false; event.#target = null;
        return true;
      };
    }

    constructor(type, init = undefined) {
      need('Event', 1, arguments.length);
      host.unforgeable(this, trust);
      this.#type = `${type}`;
      const d = dictionary(init);
      this.#bubbles = !!d.bubbles;
      this.#cancelable = !!d.cancelable;
      this.#composed = !!d.composed;
    }

    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    composedPath() { return this.#current === null ? [] : [this.#current]; }
    get eventPhase() { return this.#phase; }
    stopPropagation() { this.#stop = true; }
    get cancelBubble() { return this.#stop; }
    set cancelBubble(value) { this.#stop = !!value || this.#stop; }
    stopImmediatePropagation() { this.#stop = this.#stopNow = true; }
    get bubbles() { return this.#bubbles; }
    get cancelable() { return this.#cancelable; }
    get returnValue() { return !this.#canceled; }
    set returnValue(value) { if (!value) cancel(this); else this.#type; }
    preventDefault() { cancel(this); }
    get defaultPrevented() { return this.#canceled; }
    get composed() { return this.#composed; }
    get timeStamp() { return this.#time; }

    initEvent(type, bubbles = false, cancelable = false) {
      this.#type;
      need('initEvent', 1, arguments.length);
      initialise(this, `${type}`, !!bubbles, !!cancelable);
    }
  }

  class CustomEvent extends Event {
    #detail;

    constructor(type, init = undefined) {
      need('CustomEvent', 1, arguments.length);
      super(type, init);
      const { detail } = dictionary(init);
      this.#detail = detail === undefined ? null : detail;
    }

    get detail() { return this.#detail; }
  }

  let listeners, add, remove, dispatch, getHandler, setHandler, isTarget;
  /* Told of each target whose listeners have changed. */
  let watcher = null;
  let isSignal, isAborted, changed;

  const capturing = (options) => isObject(options) ? !!options.capture : !!options;
  const callbackOf = (value) => {
    if (value === null || value === undefined) return null;
    if (!isObject(value)) host.typeError('the listener is neither a function nor an object');
    return value;
  };
  const find = (all, type, callback, capture) => {
    for (let i = 0; i < all.n; i++) {
      const entry = all[i];
      if (entry.type === type && entry.callback === callback && entry.capture === capture && !entry.handler) return entry;
    }
    return null;
  };
  const findHandler = (all, type) => {
    for (let i = 0; i < all.n; i++) if (all[i].handler && all[i].type === type) return all[i];
    return null;
  };

  class EventTarget {
    /* Replaced, never changed in place: a dispatch under way walks the list as it was. */
    #list = list();

    static {
      isTarget = (value) => #list in value;
      listeners = (target) => target.#list;
      add = (target, entry) => {
        const longer = without(target.#list, null);
        push(longer, entry);
        target.#list = longer;
        changed(target);
        if (watcher !== null) watcher(target);
      };
      remove = (target, entry) => {
        entry.removed = true;
        target.#list = without(target.#list, entry);
        changed(target);
        if (watcher !== null) watcher(target);
        if (entry.signal !== undefined) forget(entry.signal, entry.algorithm);
      };
    }

    addEventListener(type, callback, options = undefined) {
      const target = behind(this);
      listeners(target);
      need('addEventListener', 2, arguments.length);
      type = `${type}`;
      callback = callbackOf(callback);
      const entry = { __proto__: null, type, callback, capture: capturing(options), once: false, passive: false, removed: false, handler: false };
      let signal;
      if (isObject(options)) {
        entry.once = !!options.once;
        entry.passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !isSignal(signal)) host.typeError('addEventListener: signal is not an AbortSignal');
      }
      if (callback === null || signal !== undefined && isAborted(signal)) return;
      if (find(listeners(target), type, callback, entry.capture) !== null) return;
      add(target, entry);
      if (signal === undefined) return;
      entry.signal = signal;
      // Weakly: a signal that lives on does not keep what only wants to be told.
      entry.algorithm = { __proto__: null, target: host.weak(target), entry: host.weak(entry) };
      follow(signal, entry.algorithm);
    }

    removeEventListener(type, callback, options = undefined) {
      const target = behind(this);
      listeners(target);
      need('removeEventListener', 2, arguments.length);
      type = `${type}`;
      callback = callbackOf(callback);
      const capture = capturing(options);
      const entry = find(listeners(target), type, callback, capture);
      if (entry !== null) remove(target, entry);
    }

    dispatchEvent(event) {
      const target = behind(this);
      listeners(target);
      if (!isEvent(event)) host.typeError('dispatchEvent: argument 1 is not an Event');
      if (busy(event)) host.invalidState('The event is already being dispatched');
      return dispatch(target, trusted(event, false));
    }
  }

  const invoke = (target, event, capture) => {
    if (stopped(event)) return;
    const all = listeners(target);
    for (let i = 0; i < all.n; i++) {
      const entry = all[i];
      if (entry.removed || entry.type !== typeOf(event) || entry.capture !== capture) continue;
      if (entry.once) remove(target, entry);
      passive(event, entry.passive);
      const answer = host.invoke(entry.callback, shown(target), event, entry.handler);
      passive(event, false);
      if (entry.handler && answer === false) cancel(event);
      if (stoppedNow(event)) return;
    }
  };
  dispatch = (target, event) => {
    begin(event, target);
    invoke(target, event, true);
    invoke(target, event, false);
    return end(event);
  };
  /* An event handler attribute (HTML, section 8.1.8.1): it keeps its place until it is set to null. */
  getHandler = (target, type) => {
    const entry = findHandler(listeners(target), type);
    return entry === null ? null : entry.callback;
  };
  setHandler = (target, type, value) => {
    const entry = findHandler(listeners(target), type);
    if (!isObject(value)) {
      if (entry !== null) remove(target, entry);
    } else if (entry !== null) {
      entry.callback = value;
    } else {
      add(target, { __proto__: null, type, callback: value, capture: false, once: false, passive: false, removed: false, handler: true });
    }
  };

  const KEY = { __proto__: null };
  let isController, abort, reasonOf, follow, forget, dependent, serial = 0;

  /* Those of AbortSignal.timeout that somebody listens to, by number: their timers hold them weakly. */
  const timed = { __proto__: null };
  /* The native side of a timer, which ends with it. */
  const expire = (milliseconds, weak) => host.expire(milliseconds, () => {
    const signal = host.deref(weak);
    if (signal !== undefined) abort(signal, host.timeoutError());
  });

  class AbortSignal extends EventTarget {
    /* Each a function, or a listener to be removed: `target` and `entry`, weakly. */
    #aborted = false; #reason = undefined; #algorithms = list(); #sweepAlgorithms = 16;
    /* What this signal depends on; and who depends on it: weakly, and strongly while it is listened to. */
    #sources = null; #dependents = null; #sweep = 16; #listened = null; #heard = 0; #id = ++serial; #kept = false;
    #timer = null;

    static {
      isSignal = (value) => isObject(value) && #aborted in value;
      isAborted = (signal) => signal.#aborted;
      reasonOf = (signal) => signal.#reason;
      follow = (signal, algorithm) => {
        if (signal.#aborted) return;
        if (signal.#algorithms.n >= signal.#sweepAlgorithms) sweep(signal);
        push(signal.#algorithms, algorithm);
        changed(signal);
      };
      const sweep = (signal) => {
        const live = list(), all = signal.#algorithms;
        for (let i = 0; i < all.n; i++) if (typeof all[i] === 'function' || host.deref(all[i].target) !== undefined) push(live, all[i]);
        signal.#algorithms = live;
        signal.#sweepAlgorithms = live.n * 2 + 16;
      };
      forget = (signal, algorithm) => {
        signal.#algorithms = without(signal.#algorithms, algorithm);
        changed(signal);
      };
      /* A dependent that somebody listens to lives as long as its sources; a timeout, until its time. */
      changed = (target) => {
        if (!(#aborted in target) || target.#sources === null && target.#timer === null) return;
        const keep = !target.#aborted && (target.#algorithms.n > 0 || listeners(target).n > 0 || target.#heard > 0);
        if (keep === target.#kept) return;
        target.#kept = keep;
        if (target.#timer !== null) {
          if (keep) timed[target.#id] = target; else delete timed[target.#id];
          return;
        }
        for (let i = 0; i < target.#sources.n; i++) {
          const source = target.#sources[i];
          const listened = source.#listened ??= { __proto__: null };
          if (keep) listened[target.#id] = target; else delete listened[target.#id];
          source.#heard += keep ? 1 : -1;
          changed(source);
        }
      };
      dependent = (source) => {
        const result = new AbortSignal(KEY);
        if (source.#aborted) {
          result.#aborted = true; result.#reason = source.#reason;
          return result;
        }
        result.#sources = list();
        if (source.#sources === null) result.#dependOn(source);
        else for (let i = 0; i < source.#sources.n; i++) result.#dependOn(source.#sources[i]);
        return result;
      };
      const mark = (signal, reason) => { signal.#aborted = true; signal.#reason = reason; };
      const run = (signal) => {
        const all = signal.#algorithms;
        signal.#algorithms = list();
        for (let i = 0; i < all.n; i++) {
          if (typeof all[i] === 'function') {
            host.invoke(all[i], undefined, signal.#reason, false);
            continue;
          }
          const target = host.deref(all[i].target), entry = host.deref(all[i].entry);
          if (target !== undefined && entry !== undefined && !entry.removed) remove(target, entry);
        }
        dispatch(signal, trusted(new Event('abort'), true));
        changed(signal);
      };
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        mark(signal, reason === undefined ? host.abortError() : reason);
        const due = list(), dependents = signal.#dependents ?? list();
        for (let i = 0; i < dependents.n; i++) {
          const dependent = host.deref(dependents[i]);
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
      if (key !== KEY) host.typeError('Illegal constructor');
      super();
    }

    static abort(reason = undefined) {
      const signal = new AbortSignal(KEY);
      abort(signal, reason);
      return signal;
    }

    static timeout(milliseconds) {
      need('AbortSignal.timeout', 1, arguments.length);
      const ms = +milliseconds;
      const whole = ms - ms % 1;
      if (!(whole >= 0 && whole <= 9007199254740991)) host.typeError('AbortSignal.timeout: the time is out of range');
      const signal = new AbortSignal(KEY);
      signal.#timer = expire(whole, host.weak(signal));
      return signal;
    }

    static any(signals) {
      need('AbortSignal.any', 1, arguments.length);
      if (!isObject(signals)) host.typeError('AbortSignal.any: argument 1 is not iterable');
      const all = list();
      for (const signal of signals) {
        if (!isSignal(signal)) host.typeError('AbortSignal.any: an item is not an AbortSignal');
        push(all, signal);
      }
      const result = new AbortSignal(KEY);
      for (let i = 0; i < all.n; i++) {
        if (all[i].#aborted) {
          result.#aborted = true; result.#reason = all[i].#reason;
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
      let known = source.#dependents ??= list();
      if (known.n >= source.#sweep) {
        const live = list();
        for (let i = 0; i < known.n; i++) if (host.deref(known[i]) !== undefined) push(live, known[i]);
        known = source.#dependents = live;
        source.#sweep = live.n * 2 + 16;
      }
      push(known, host.weak(this));
    }

    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    get onabort() { this.#aborted; return getHandler(this, 'abort'); }
    set onabort(value) { this.#aborted; setHandler(this, 'abort', value); }
  }

  class AbortController {
    #signal = new AbortSignal(KEY);

    static { isController = (value) => #signal in value; }

    get signal() { return this.#signal; }
    abort(reason = undefined) { abort(this.#signal, reason); }
  }

  return {
    __proto__: null, Event, CustomEvent, EventTarget, AbortSignal, AbortController,
    create: () => new AbortSignal(KEY), dependent, abort, follow, forget, isSignal, isAborted, reason: reasonOf, getHandler, setHandler,
    listen: EventTarget.prototype.addEventListener, unlisten: EventTarget.prototype.removeEventListener,
    dispatchFor: EventTarget.prototype.dispatchEvent,
    init: initialise, watch: (f) => { watcher = f; },
    listensTo: (target, type) => {
      const all = listeners(target);
      for (let i = 0; i < all.n; i++) if (all[i].type === type) return true;
      return false;
    },
    platformName: (value) => (isEvent(value) ? 'Event' : isTarget(value) ? 'EventTarget' : isController(value) ? 'AbortController' : undefined),
    standFor: (target, object) => { standIn = target; stoodFor = object; },
    fire: (target, event) => dispatch(target, trusted(event, true)),
  };
})
