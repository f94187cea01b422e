/* What the stream classes share (Streams Standard, sections 5, 7 and 8): queues with sizes, strategies,
 * conversions of their arguments.
 * Owns: nothing at run time. Must not know: streams. Like all of this folder it may run after the app has
 * patched prototypes: it calls no method of a built-in object; `host` has the engine's own. */
(function (host, s) {
  const { typeError, rangeError, resolved, rejected, call } = host;

  s.isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const nothing = () => undefined;
  /* What only this folder can give to a constructor that is not for scripts. */
  s.token = { __proto__: null };

  const settled = resolved(undefined);
  s.microtask = (f) => { host.then(settled, f, undefined); };

  /* A list: first in, first out. */
  s.list = () => ({ __proto__: null, head: null, tail: null, length: 0 });
  s.push = (list, value) => {
    const node = { __proto__: null, value, next: null };
    if (list.tail === null) list.head = node; else list.tail.next = node;
    list.tail = node;
    list.length++;
  };
  s.shift = (list) => {
    const { value, next } = list.head;
    list.head = next;
    if (next === null) list.tail = null;
    list.length--;
    return value;
  };

  /* Queues with sizes (section 8.1). */
  s.sizedQueue = () => ({ __proto__: null, list: s.list(), total: 0 });
  s.enqueueSized = (queue, value, size) => {
    if (!(size >= 0) || size === Infinity) rangeError('the size of a chunk must be a finite number that is not negative');
    s.push(queue.list, { __proto__: null, value, size });
    queue.total += size;
  };
  s.dequeueSized = (queue) => {
    const { value, size } = s.shift(queue.list);
    queue.total -= size;
    if (queue.total < 0) queue.total = 0;
    return value;
  };
  s.peekSized = (queue) => queue.list.head.value.value;
  s.resetQueue = (queue) => { queue.list = s.list(); queue.total = 0; };

  /* Arguments. */
  s.dictionary = (value, what) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!s.isObject(value)) typeError(`${what} must be an object`);
    return value;
  };
  s.object = (value, what) => {
    if (value === undefined) return null;
    if (!s.isObject(value)) typeError(`${what} must be an object`);
    return value;
  };
  s.callback = (holder, name) => {
    const f = holder[name];
    if (f !== undefined && typeof f !== 'function') typeError(`${name} must be a function`);
    return f;
  };
  s.enforced = (value, what, min) => {
    let number = +value;
    if (number !== number || number === Infinity || number === -Infinity) typeError(`${what} must be a finite number`);
    number = number < 0 ? -host.floor(-number) : host.floor(number);
    if (number < min || number > 9007199254740991) typeError(`${what} is out of range`);
    return number === 0 ? 0 : number;
  };

  /* QueuingStrategy: converted, with its defaults applied (section 7.4). */
  s.strategy = (value) => {
    const given = s.dictionary(value, 'strategy');
    const mark = given.highWaterMark;
    const highWaterMark = mark === undefined ? undefined : +mark;
    return { __proto__: null, highWaterMark, size: s.callback(given, 'size') };
  };
  s.highWaterMark = (strategy, otherwise) => {
    const mark = strategy.highWaterMark;
    if (mark === undefined) return otherwise;
    if (!(mark >= 0)) rangeError('highWaterMark must be a number that is not negative');
    return mark;
  };
  s.sizeOf = ({ size }) => (size === undefined ? () => 1 : (chunk) => +call(size, undefined, chunk));

  /* A method of an underlying source, sink or transformer, as an algorithm that returns a promise. It is
   * called with `count` arguments. */
  s.algorithm = (holder, f, count) => (f === undefined ? () => resolved(undefined) : (a, b) => {
    try {
      if (count === 0) return resolved(call(f, holder));
      return resolved(count === 1 ? call(f, holder, a) : call(f, holder, a, b));
    } catch (error) {
      return rejected(error);
    }
  });
  /* `start` may return anything, and throws where it is called. */
  s.starter = (holder, f, controller) => (f === undefined ? nothing : () => call(f, holder, controller()));

  const strategyClass = (name, size) => {
    const fixed = { [name]: class {
      #mark;
      constructor(init) {
        if (arguments.length === 0) typeError(`${name}: 1 argument required, but only 0 present`);
        const { highWaterMark } = s.dictionary(init, 'init');
        if (highWaterMark === undefined) typeError(`${name}: highWaterMark is required`);
        this.#mark = +highWaterMark;
      }
      get highWaterMark() { return this.#mark; }
      get size() { this.#mark; return size; }
    } };
    return fixed[name];
  };
  s.ByteLengthQueuingStrategy = strategyClass('ByteLengthQueuingStrategy', { size: (chunk) => chunk.byteLength }.size);
  s.CountQueuingStrategy = strategyClass('CountQueuingStrategy', { size: () => 1 }.size);
})
