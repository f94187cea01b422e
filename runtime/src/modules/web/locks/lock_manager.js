/* LockManager and Lock (Web Locks API, section 3).
 * Owns: the classes, the callbacks of this engine's requests. Must not know: who else holds locks (native functions
 * do that). */
import { follow, forget, isAborted, isSignal, reason as reasonOf } from 'jsserve:internal/abort/abort_signal';
import {
  abortRequest,
  queryLocks,
  releaseLock,
  requestLock,
  runCallback,
} from 'jsserve:internal/locks/natives';
import { task } from 'jsserve:internal/messaging/tasks';
import {
  asInterface,
  domException,
  deferred as newDeferred,
  newDomException,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { dictionary, requireArguments } from 'jsserve:internal/webidl/webidl';

const KEY = { __proto__: null };
/* By the number of their request: those that wait or are about to run, and what settles the promises of
 * those whose lock is held. */
const waiting = { __proto__: null },
  held = { __proto__: null };

export class Lock {
  #name;
  #mode;

  constructor(key = undefined, name = undefined, mode = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
    this.#name = name;
    this.#mode = mode;
  }

  get name() {
    return this.#name;
  }
  get mode() {
    return this.#mode;
  }
}

const begin = (entry) => {
  const { id, name, mode, callback, deferred, signal } = entry;
  delete waiting[id];
  if (signal !== undefined) forget(signal, entry.algorithm);
  if (entry.isAborted) {
    releaseLock(name, id);
    return;
  }
  held[id] = deferred;
  try {
    runCallback(name, id, callback, new Lock(KEY, name, mode));
  } catch (error) {
    delete held[id];
    deferred.reject(error);
  }
};
const abandon = (entry, reason) => {
  if (waiting[entry.id] !== entry) return;
  entry.deferred.reject(reason);
  if (abortRequest(entry.name, entry.id)) delete waiting[entry.id];
  else entry.isAborted = true;
};
const ask = (deferred, name, options, callback) => {
  const d = dictionary(options, 'LockManager.request: options');
  const ifAvailable = !!d.ifAvailable;
  let { mode } = d;
  mode = mode === undefined ? 'exclusive' : `${mode}`;
  if (mode !== 'exclusive' && mode !== 'shared') typeError(`LockManager.request: '${mode}' is no mode`);
  const { signal } = d;
  if (signal !== undefined && !isSignal(signal))
    typeError('LockManager.request: signal is not an AbortSignal');
  const steal = !!d.steal;
  if (typeof callback !== 'function') typeError('LockManager.request: the callback is not a function');
  if (name[0] === '-') domException('NotSupportedError', "A lock's name cannot begin with '-'");
  if (steal && ifAvailable) domException('NotSupportedError', 'steal and ifAvailable exclude each other');
  if (steal && mode !== 'exclusive')
    domException('NotSupportedError', 'Only an exclusive lock can be stolen');
  if (signal !== undefined && (steal || ifAvailable))
    domException('NotSupportedError', 'signal goes neither with steal nor with ifAvailable');
  if (signal !== undefined && isAborted(signal)) throw reasonOf(signal);
  const answer = requestLock(name, mode === 'exclusive', ifAvailable, steal);
  if (answer === 0) {
    task(() => {
      try {
        deferred.resolve(callback(null));
      } catch (error) {
        deferred.reject(error);
      }
    });
    return;
  }
  const id = answer < 0 ? -answer : answer;
  const entry = {
    __proto__: null,
    id,
    name,
    mode,
    callback,
    deferred,
    signal,
    algorithm: undefined,
    isAborted: false,
  };
  waiting[id] = entry;
  if (signal !== undefined) {
    entry.algorithm = (reason) => abandon(entry, reason);
    follow(signal, entry.algorithm);
  }
  if (answer > 0) task(() => begin(entry));
};

export class LockManager {
  #brand;

  constructor(key = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
  }

  request(name, options, callback = undefined) {
    const deferred = newDeferred();
    try {
      this.#brand;
      requireArguments('LockManager.request', 2, arguments.length);
      const hasOptions = arguments.length > 2;
      ask(deferred, `${name}`, hasOptions ? options : undefined, hasOptions ? callback : options);
    } catch (error) {
      deferred.reject(error);
    }
    return deferred.promise;
  }

  query() {
    const deferred = newDeferred();
    try {
      this.#brand;
      deferred.resolve(queryLocks());
    } catch (error) {
      deferred.reject(error);
    }
    return deferred.promise;
  }
}

/** What `navigator.locks` is. */
export const locks = new LockManager(KEY);

/* What becomes of a request, by its number. */
export const granted = (id) => {
  if (waiting[id] !== undefined) begin(waiting[id]);
};
export const stolen = (id) => {
  const deferred = held[id] ?? waiting[id]?.deferred;
  if (deferred !== undefined)
    deferred.reject(newDomException('AbortError', 'Another request has stolen the lock'));
};
export const lost = (id) => {
  delete held[id];
};
export const settled = (id, isFulfilled, value) => {
  const deferred = held[id];
  delete held[id];
  if (deferred === undefined) return;
  if (isFulfilled) deferred.resolve(value);
  else deferred.reject(value);
};

asInterface(Lock, 'Lock', 'name', 'mode');
asInterface(LockManager, 'LockManager');
