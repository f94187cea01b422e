/* PerformanceObserver and its entry list (Performance Timeline Level 2, sections 4 and 5).
 * Owns: the classes, who hears of an entry. Must not know: tasks (native functions do that). */

import { task } from 'jsserve:internal/messaging/tasks';
import { typeOf } from 'jsserve:internal/performance/entry';
import { buffered, dropped, filtered, isType, keep } from 'jsserve:internal/performance/entry_buffer';
import {
  entriesMax,
  invokeObserver,
  observersMax,
  supportedEntryTypes,
} from 'jsserve:internal/performance/natives';
import { list, push, without } from 'jsserve:internal/webidl/list';
import { array, asInterface, domException, isIterable, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

const KEY = { __proto__: null };
let observers = list(),
  isDue = false;
let wants, receive, deliver, entriesOf;

export class PerformanceObserverEntryList {
  #entries;

  static {
    entriesOf = (entries) => new PerformanceObserverEntryList(KEY, entries);
  }

  constructor(key = undefined, entries = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
    this.#entries = entries;
  }

  getEntries() {
    return filtered(this.#entries, undefined, undefined);
  }
  getEntriesByType(type) {
    const all = this.#entries;
    requireArguments('getEntriesByType', 1, arguments.length);
    return filtered(all, undefined, `${type}`);
  }
  getEntriesByName(name, type = undefined) {
    const all = this.#entries;
    requireArguments('getEntriesByName', 1, arguments.length);
    return filtered(all, `${name}`, type === undefined ? undefined : `${type}`);
  }
}

const schedule = () => {
  if (isDue) return;
  isDue = true;
  task(() => {
    isDue = false;
    const all = observers;
    for (let i = 0; i < all.n; i++) deliver(all[i]);
  });
};
const others = (observer) => without(observers, observer);

export class PerformanceObserver {
  #callback;
  #entries = list();
  #types = { __proto__: null };
  #kind = null;
  #isTold = false;

  static {
    wants = (observer, type) => observer.#types[type] === true;
    /* One that does not get to its task, as in a loop without end, loses the oldest. */
    receive = (observer, entry) => {
      if (observer.#entries.n >= 2 * entriesMax) {
        const rest = list();
        for (let i = entriesMax; i < observer.#entries.n; i++) push(rest, observer.#entries[i]);
        observer.#entries = rest;
      }
      push(observer.#entries, entry);
    };
    deliver = (observer) => {
      const entries = observer.#entries;
      if (entries.n === 0) return;
      observer.#entries = list();
      const options = {};
      if (!observer.#isTold) {
        observer.#isTold = true;
        options.droppedEntriesCount =
          (wants(observer, 'mark') ? dropped.mark : 0) + (wants(observer, 'measure') ? dropped.measure : 0);
      }
      invokeObserver(observer.#callback, observer, entriesOf(entries), options);
    };
  }

  constructor(callback) {
    requireArguments('PerformanceObserver', 1, arguments.length);
    if (typeof callback !== 'function') typeError('PerformanceObserver: the callback is not a function');
    this.#callback = callback;
  }

  observe(options = undefined) {
    this.#kind;
    const given = dictionary(options, 'PerformanceObserver.observe: options');
    const isBuffered = given.buffered,
      { entryTypes } = given;
    let types,
      { type } = given;
    if (entryTypes !== undefined) {
      if (!isObject(entryTypes) || !isIterable(entryTypes))
        typeError('PerformanceObserver.observe: entryTypes is not iterable');
      types = { __proto__: null };
      for (const each of entryTypes) {
        const name = `${each}`;
        if (isType(name)) types[name] = true;
      }
    }
    if (type !== undefined) type = `${type}`;
    if (types === undefined && type === undefined)
      typeError('PerformanceObserver.observe: type or entryTypes is required');
    if (types !== undefined && (type !== undefined || isBuffered !== undefined))
      typeError('PerformanceObserver.observe: entryTypes stands alone');
    const kind = types === undefined ? 'type' : 'entryTypes';
    if (this.#kind !== null && this.#kind !== kind)
      domException('InvalidModificationError', `This observer observes by ${this.#kind}`);
    this.#kind = kind;
    this.#isTold = false;
    if (types !== undefined) {
      if (types.mark !== true && types.measure !== true) return;
      this.#types = types;
    } else {
      if (!isType(type)) return;
      this.#types[type] = true;
    }
    const rest = others(this);
    if (rest.n === observers.n) {
      if (rest.n >= observersMax)
        domException('QuotaExceededError', `More than ${observersMax} performance observers`);
      push(rest, this);
      observers = rest;
    }
    if (!isBuffered || types !== undefined) return;
    const known = buffered(type);
    for (let i = 0; i < known.n; i++) receive(this, known[i]);
    if (known.n > 0) schedule();
  }

  disconnect() {
    this.#kind = null;
    this.#entries = list();
    this.#types = { __proto__: null };
    observers = others(this);
  }

  takeRecords() {
    const taken = this.#entries;
    this.#entries = list();
    return array(taken);
  }

  static get supportedEntryTypes() {
    return supportedEntryTypes;
  }
}

/* "Queue a PerformanceEntry" (section 6.1). */
export const add = (entry) => {
  const type = typeOf(entry);
  let heard = false;
  for (let i = 0; i < observers.n; i++) {
    if (!wants(observers[i], type)) continue;
    receive(observers[i], entry);
    heard = true;
  }
  keep(entry);
  if (heard) schedule();
  return entry;
};

asInterface(PerformanceObserver, 'PerformanceObserver');
asInterface(PerformanceObserverEntryList, 'PerformanceObserverEntryList');
