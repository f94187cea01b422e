/* LockManager and Lock (Web Locks API, section 3).
 * Owns: the classes, the callbacks of this engine's requests. Must not know: who else holds locks (the
 * host's functions do that). As abort/events.js, it calls no method of a built-in object. */
(function (host, dom) {
  const KEY = { __proto__: null };
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} arguments required, but only ${got} present`);
  };
  /* By the number of their request: those that wait or are about to run, and what settles the promises of
   * those whose lock is held. */
  const waiting = { __proto__: null }, held = { __proto__: null };

  class Lock {
    #name; #mode;

    constructor(key = undefined, name = undefined, mode = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      this.#name = name; this.#mode = mode;
    }

    get name() { return this.#name; }
    get mode() { return this.#mode; }
  }

  const run = (entry) => {
    const { id, name, mode, callback, deferred, signal } = entry;
    delete waiting[id];
    if (signal !== undefined) dom.forget(signal, entry.algorithm);
    if (entry.isAborted) { host.release(name, id); return; }
    held[id] = deferred;
    try {
      host.run(name, id, callback, new Lock(KEY, name, mode));
    } catch (error) {
      delete held[id];
      deferred.reject(error);
    }
  };
  const abort = (entry, reason) => {
    if (waiting[entry.id] !== entry) return;
    entry.deferred.reject(reason);
    if (host.abort(entry.name, entry.id)) delete waiting[entry.id];
    else entry.isAborted = true;
  };
  const request = (deferred, name, options, callback) => {
    const d = options === undefined || options === null ? { __proto__: null } : options;
    if (!isObject(d)) host.typeError('LockManager.request: the options are not an object');
    const ifAvailable = !!d.ifAvailable;
    let { mode } = d;
    mode = mode === undefined ? 'exclusive' : `${mode}`;
    if (mode !== 'exclusive' && mode !== 'shared') host.typeError(`LockManager.request: '${mode}' is no mode`);
    const { signal } = d;
    if (signal !== undefined && !dom.isSignal(signal)) host.typeError('LockManager.request: signal is not an AbortSignal');
    const steal = !!d.steal;
    if (typeof callback !== 'function') host.typeError('LockManager.request: the callback is not a function');
    if (name[0] === '-') host.notSupported("A lock's name cannot begin with '-'");
    if (steal && ifAvailable) host.notSupported('steal and ifAvailable exclude each other');
    if (steal && mode !== 'exclusive') host.notSupported('Only an exclusive lock can be stolen');
    if (signal !== undefined && (steal || ifAvailable)) host.notSupported('signal goes neither with steal nor with ifAvailable');
    if (signal !== undefined && dom.isAborted(signal)) throw dom.reason(signal);
    const answer = host.request(name, mode === 'exclusive', ifAvailable, steal);
    if (answer === 0) {
      host.task(() => {
        try { deferred.resolve(callback(null)); } catch (error) { deferred.reject(error); }
      });
      return;
    }
    const id = answer < 0 ? -answer : answer;
    const entry = { __proto__: null, id, name, mode, callback, deferred, signal, algorithm: undefined, isAborted: false };
    waiting[id] = entry;
    if (signal !== undefined) {
      entry.algorithm = (reason) => abort(entry, reason);
      dom.follow(signal, entry.algorithm);
    }
    if (answer > 0) host.task(() => run(entry));
  };

  class LockManager {
    #brand;

    constructor(key = undefined) { if (key !== KEY) host.typeError('Illegal constructor'); }

    request(name, options, callback = undefined) {
      const deferred = host.deferred();
      try {
        this.#brand;
        need('LockManager.request', 2, arguments.length);
        const hasOptions = arguments.length > 2;
        request(deferred, `${name}`, hasOptions ? options : undefined, hasOptions ? callback : options);
      } catch (error) {
        deferred.reject(error);
      }
      return deferred.promise;
    }

    query() {
      const deferred = host.deferred();
      try {
        this.#brand;
        deferred.resolve(host.query());
      } catch (error) {
        deferred.reject(error);
      }
      return deferred.promise;
    }
  }

  return {
    __proto__: null, Lock, LockManager, locks: new LockManager(KEY),
    granted: (id) => { if (waiting[id] !== undefined) run(waiting[id]); },
    stolen: (id) => {
      const deferred = held[id] ?? waiting[id]?.deferred;
      if (deferred !== undefined) deferred.reject(host.abortError());
    },
    lost: (id) => { delete held[id]; },
    settled: (id, isFulfilled, value) => {
      const deferred = held[id];
      delete held[id];
      if (deferred === undefined) return;
      if (isFulfilled) deferred.resolve(value); else deferred.reject(value);
    },
  };
})
