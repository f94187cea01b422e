/* PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver and its entry list (Performance
 * Timeline Level 2, User Timing Level 3).
 * Owns: the classes, the buffer of entries, observers. Must not know: tasks, cloning (the host's functions
 * do that). As abort/events.js, it calls no method of a built-in object. */
(function (host) {
  const KEY = { __proto__: null };
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${got} present`);
  };
  const dictionary = (value, what) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!isObject(value)) host.typeError(`${what}: the options are not an object`);
    return value;
  };
  /* A DOMHighResTimeStamp (Web IDL's double). */
  const time = (value, what) => {
    const number = +value;
    if (number - number !== 0) host.typeError(`${what} is not a finite number`);
    return number;
  };
  /* A mark's name or a time. */
  const markOrTime = (value, what) => (typeof value === 'number' ? time(value, what) : `${value}`);
  const list = () => ({ __proto__: null, n: 0 });
  const push = (all, item) => { all[all.n++] = item; };

  let nameOf, typeOf, startOf;

  class PerformanceEntry {
    #name; #type; #start; #duration;

    static {
      nameOf = (entry) => entry.#name;
      typeOf = (entry) => entry.#type;
      startOf = (entry) => entry.#start;
    }

    constructor(key = undefined, name = undefined, type = undefined, start = undefined, duration = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      this.#name = name; this.#type = type; this.#start = start; this.#duration = duration;
    }

    get name() { return this.#name; }
    get entryType() { return this.#type; }
    get startTime() { return this.#start; }
    get duration() { return this.#duration; }
    toJSON() { return { name: this.#name, entryType: this.#type, startTime: this.#start, duration: this.#duration }; }
  }

  const copied = (detail) => (detail === undefined || detail === null ? null : host.clone(detail));

  class PerformanceMark extends PerformanceEntry {
    #detail;

    constructor(markName, markOptions = undefined) {
      need('PerformanceMark', 1, arguments.length);
      const name = `${markName}`, options = dictionary(markOptions, 'PerformanceMark');
      const { detail } = options;
      let { startTime } = options;
      if (startTime === undefined) startTime = host.now();
      else if ((startTime = time(startTime, 'startTime')) < 0) host.typeError('startTime is negative');
      super(KEY, name, 'mark', startTime, 0);
      this.#detail = copied(detail);
    }

    get detail() { return this.#detail; }
  }

  let measured;

  class PerformanceMeasure extends PerformanceEntry {
    #detail;

    static { measured = (name, start, end, detail) => new PerformanceMeasure(KEY, name, start, end, detail); }

    constructor(key = undefined, name = undefined, start = undefined, end = undefined, detail = undefined) {
      super(key, name, 'measure', start, end - start);
      this.#detail = detail;
    }

    get detail() { return this.#detail; }
  }

  /* The buffer: entries in the order in which they came, each type for itself; the oldest leave it. */
  const queue = () => ({ __proto__: null, n: 0, first: null, last: null });
  const buffer = { __proto__: null, mark: queue(), measure: queue() };
  const dropped = { __proto__: null, mark: 0, measure: 0 };
  /* The latest mark of each name. */
  let latest = { __proto__: null };
  const isType = (type) => type === 'mark' || type === 'measure';

  const keep = (entry) => {
    const type = typeOf(entry), all = buffer[type], link = { __proto__: null, entry, next: null };
    if (type === 'mark') latest[nameOf(entry)] = entry;
    if (all.last === null) all.first = link; else all.last.next = link;
    all.last = link;
    if (all.n < host.entriesMax) { all.n++; return; }
    const oldest = all.first.entry;
    all.first = all.first.next;
    dropped[type]++;
    if (type === 'mark' && latest[nameOf(oldest)] === oldest) delete latest[nameOf(oldest)];
  };
  const clear = (type, name) => {
    const kept = queue();
    for (let link = buffer[type].first; name !== undefined && link !== null; link = link.next) {
      if (nameOf(link.entry) === name) continue;
      const own = { __proto__: null, entry: link.entry, next: null };
      if (kept.last === null) kept.first = own; else kept.last.next = own;
      kept.last = own; kept.n++;
    }
    buffer[type] = kept;
    if (type !== 'mark') return;
    if (name === undefined) latest = { __proto__: null }; else delete latest[name];
  };

  /* Sorts by start time; entries that begin together keep their order. */
  const sorted = (all) => {
    let from = all;
    for (let width = 1; width < all.n; width *= 2) {
      const to = list();
      for (let low = 0; low < all.n; low += 2 * width) {
        const middle = low + width < all.n ? low + width : all.n, high = low + 2 * width < all.n ? low + 2 * width : all.n;
        let a = low, b = middle;
        while (a < middle || b < high) push(to, b >= high || a < middle && startOf(from[a]) <= startOf(from[b]) ? from[a++] : from[b++]);
      }
      from = to;
    }
    return from;
  };
  /* The entries of a list that have this name and type, by start time. */
  const filtered = (all, name, type) => {
    const found = list();
    let isSorted = true;
    for (let i = 0; i < all.n; i++) {
      const entry = all[i];
      if (name !== undefined && nameOf(entry) !== name || type !== undefined && typeOf(entry) !== type) continue;
      if (found.n > 0 && startOf(found[found.n - 1]) > startOf(entry)) isSorted = false;
      push(found, entry);
    }
    return host.array(isSorted ? found : sorted(found));
  };
  const gather = (all, type) => {
    for (let link = buffer[type].first; link !== null; link = link.next) push(all, link.entry);
    return all;
  };
  const buffered = (type) => (type === undefined ? gather(gather(list(), 'mark'), 'measure') : gather(list(), type));

  let observers = list(), isDue = false;
  let wants, receive, deliver, entriesOf;

  class PerformanceObserverEntryList {
    #entries;

    static { entriesOf = (entries) => new PerformanceObserverEntryList(KEY, entries); }

    constructor(key = undefined, entries = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      this.#entries = entries;
    }

    getEntries() { return filtered(this.#entries, undefined, undefined); }
    getEntriesByType(type) {
      const all = this.#entries;
      need('getEntriesByType', 1, arguments.length);
      return filtered(all, undefined, `${type}`);
    }
    getEntriesByName(name, type = undefined) {
      const all = this.#entries;
      need('getEntriesByName', 1, arguments.length);
      return filtered(all, `${name}`, type === undefined ? undefined : `${type}`);
    }
  }

  const schedule = () => {
    if (isDue) return;
    isDue = true;
    host.task(() => {
      isDue = false;
      const all = observers;
      for (let i = 0; i < all.n; i++) deliver(all[i]);
    });
  };
  const without = (observer) => {
    const rest = list();
    for (let i = 0; i < observers.n; i++) if (observers[i] !== observer) push(rest, observers[i]);
    return rest;
  };

  class PerformanceObserver {
    #callback; #entries = list(); #types = { __proto__: null }; #kind = null; #isTold = false;

    static {
      wants = (observer, type) => observer.#types[type] === true;
      /* One that does not get to its task, as in a loop without end, loses the oldest. */
      receive = (observer, entry) => {
        if (observer.#entries.n >= 2 * host.entriesMax) {
          const rest = list();
          for (let i = host.entriesMax; i < observer.#entries.n; i++) push(rest, observer.#entries[i]);
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
          options.droppedEntriesCount = (wants(observer, 'mark') ? dropped.mark : 0) + (wants(observer, 'measure') ? dropped.measure : 0);
        }
        host.invoke(observer.#callback, observer, entriesOf(entries), options);
      };
    }

    constructor(callback) {
      need('PerformanceObserver', 1, arguments.length);
      if (typeof callback !== 'function') host.typeError('PerformanceObserver: the callback is not a function');
      this.#callback = callback;
    }

    observe(options = undefined) {
      this.#kind;
      const given = dictionary(options, 'PerformanceObserver.observe');
      const isBuffered = given.buffered, { entryTypes } = given;
      let types, { type } = given;
      if (entryTypes !== undefined) {
        if (!isObject(entryTypes) || !host.isIterable(entryTypes)) host.typeError('PerformanceObserver.observe: entryTypes is not iterable');
        types = { __proto__: null };
        for (const each of entryTypes) {
          const name = `${each}`;
          if (isType(name)) types[name] = true;
        }
      }
      if (type !== undefined) type = `${type}`;
      if (types === undefined && type === undefined) host.typeError('PerformanceObserver.observe: type or entryTypes is required');
      if (types !== undefined && (type !== undefined || isBuffered !== undefined)) host.typeError('PerformanceObserver.observe: entryTypes stands alone');
      const kind = types === undefined ? 'type' : 'entryTypes';
      if (this.#kind !== null && this.#kind !== kind) host.invalidModification(`This observer observes by ${this.#kind}`);
      this.#kind = kind;
      this.#isTold = false;
      if (types !== undefined) {
        if (types.mark !== true && types.measure !== true) return;
        this.#types = types;
      } else {
        if (!isType(type)) return;
        this.#types[type] = true;
      }
      const others = without(this);
      if (others.n === observers.n) {
        if (others.n >= host.observersMax) host.quotaExceeded(`More than ${host.observersMax} performance observers`);
        push(others, this);
        observers = others;
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
      observers = without(this);
    }

    takeRecords() {
      const taken = this.#entries;
      this.#entries = list();
      return host.array(taken);
    }

    static get supportedEntryTypes() { return host.supported; }
  }

  /* "Queue a PerformanceEntry" (section 6.1). */
  const add = (entry) => {
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
  /* "Convert a mark to a timestamp" (section 3.1.3). */
  const timeOf = (mark) => {
    if (typeof mark === 'string') {
      const entry = latest[mark];
      if (entry === undefined) host.syntaxError(`The mark '${mark}' does not exist`);
      return startOf(entry);
    }
    if (mark < 0) host.typeError('The time of a mark is negative');
    return mark;
  };
  /* PerformanceMeasureOptions. */
  const measureOptions = (given) => {
    const { detail } = given;
    let { duration, end, start } = given;
    if (duration !== undefined) duration = time(duration, 'duration');
    if (end !== undefined) end = markOrTime(end, 'end');
    if (start !== undefined) start = markOrTime(start, 'start');
    return { __proto__: null, detail, duration, end, start };
  };

  const methods = {
    mark(name, options = undefined) { return add(new PerformanceMark(name, options)); },
    measure(measureName, startOrOptions = undefined, endMark = undefined) {
      const name = `${measureName}`;
      let d = { __proto__: null }, startMark;
      if (isObject(startOrOptions)) d = measureOptions(startOrOptions);
      else if (startOrOptions !== undefined && startOrOptions !== null) startMark = `${startOrOptions}`;
      if (endMark !== undefined) endMark = `${endMark}`;
      const { detail, duration, end, start } = d;
      if (detail !== undefined || duration !== undefined || end !== undefined || start !== undefined) {
        if (endMark !== undefined) host.typeError('measure: an end mark does not go with options');
        if (start === undefined && end === undefined) host.typeError('measure: the options have neither start nor end');
        if (start !== undefined && end !== undefined && duration !== undefined) host.typeError('measure: the options have start, end and duration');
      }
      let to, from;
      if (endMark !== undefined) to = timeOf(endMark);
      else if (end !== undefined) to = timeOf(end);
      else if (start !== undefined && duration !== undefined) to = timeOf(start) + timeOf(duration);
      else to = host.now();
      if (start !== undefined) from = timeOf(start);
      else if (duration !== undefined && end !== undefined) from = timeOf(end) - timeOf(duration);
      else from = startMark === undefined ? 0 : timeOf(startMark);
      return add(measured(name, from, to, copied(detail)));
    },
    clearMarks(name = undefined) { clear('mark', name === undefined ? undefined : `${name}`); },
    clearMeasures(name = undefined) { clear('measure', name === undefined ? undefined : `${name}`); },
    getEntries() { return filtered(buffered(undefined), undefined, undefined); },
    getEntriesByType(type) {
      type = `${type}`;
      return filtered(isType(type) ? buffered(type) : list(), undefined, type);
    },
    getEntriesByName(name, type = undefined) {
      name = `${name}`;
      return filtered(buffered(undefined), name, type === undefined ? undefined : `${type}`);
    },
  };

  return {
    __proto__: null, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList,
    mark: methods.mark, measure: methods.measure, clearMarks: methods.clearMarks, clearMeasures: methods.clearMeasures,
    getEntries: methods.getEntries, getEntriesByType: methods.getEntriesByType, getEntriesByName: methods.getEntriesByName,
  };
})
