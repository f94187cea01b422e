/* ReadableStream (Streams Standard, sections 4.2 and 4.9), its iterator, and tee of streams of any chunks.
 * Owns: the class and the algorithms that know both kinds of controllers and readers. Must not know: how a
 * controller queues (readable_default.js, readable_byte.js).
 * A stream, reader or controller is a record; its public object holds it in a private field. */
(function (host, s) {
  const { typeError, rangeError, resolved, rejected, deferred, then, handled, call } = host;
  let streamOf;

  s.isReadableStream = (value) => s.isObject(value) && streamOf(value) !== undefined;
  s.readableOf = (value) => streamOf(value);
  const here = (value, what) => {
    const stream = s.isObject(value) ? streamOf(value) : undefined;
    return stream === undefined ? typeError(`${what} called on an object that is no ReadableStream`) : stream;
  };

  s.newReadable = () => ({
    __proto__: null, self: null, state: 'readable', reader: undefined, controller: undefined,
    disturbed: false, storedError: undefined, native: undefined, feed: undefined, owner: undefined,
  });
  /* The record of a new public stream that native or other code feeds. */
  s.wrapReadable = (stream) => {
    stream.self = new ReadableStream(wrapping, stream);
    return stream.self;
  };
  const wrapping = {};

  s.readableLocked = (stream) => stream.reader !== undefined;

  s.readableCancel = (stream, reason) => {
    stream.disturbed = true;
    if (stream.state === 'closed') return resolved(undefined);
    if (stream.state === 'errored') return rejected(stream.storedError);
    s.readableClose(stream);
    const { reader } = stream;
    if (reader !== undefined && reader.byob) {
      const requests = reader.requests;
      reader.requests = s.list();
      while (requests.length > 0) s.shift(requests).close(undefined);
    }
    return then(stream.controller.cancelSteps(reason), () => undefined);
  };

  s.readableClose = (stream) => {
    stream.state = 'closed';
    const { reader } = stream;
    if (reader === undefined) return;
    reader.closed.resolve(undefined);
    if (!reader.byob) {
      const requests = reader.requests;
      reader.requests = s.list();
      while (requests.length > 0) s.shift(requests).close();
    }
  };

  s.readableError = (stream, error) => {
    stream.state = 'errored';
    stream.storedError = error;
    const { reader } = stream;
    if (reader === undefined) return;
    reader.closed.reject(error);
    handled(reader.closed.promise);
    s.errorRequests(reader, error);
  };

  s.fulfillRead = (stream, chunk, done) => {
    const request = s.shift(stream.reader.requests);
    if (done) request.close(chunk); else request.chunk(chunk);
  };
  s.waitingReads = (stream) => stream.reader.requests.length;
  s.hasDefaultReader = (stream) => stream.reader !== undefined && !stream.reader.byob;
  s.hasByobReader = (stream) => stream.reader !== undefined && stream.reader.byob;

  /* CallPullIfNeeded of a kind of controller: one pull at a time, and one more for all that asked meanwhile. */
  s.puller = (shouldPull, fail) => function pullIfNeeded(c) {
    if (!shouldPull(c)) return;
    if (c.pulling) {
      c.pullAgain = true;
      return;
    }
    c.pulling = true;
    then(c.pull(), () => {
      c.pulling = false;
      if (c.pullAgain) {
        c.pullAgain = false;
        pullIfNeeded(c);
      }
    }, (error) => fail(c, error));
  };

  /* CreateReadableStream: algorithms of our own; `start` has run. */
  s.createReadable = (start, pull, cancel, highWaterMark = 1, size = () => 1) => {
    const stream = s.newReadable();
    s.wrapReadable(stream);
    s.setUpDefaultController(stream, start, pull, cancel, highWaterMark, size);
    return stream;
  };
  s.createReadableByteStream = (start, pull, cancel, highWaterMark = 0, autoAllocate = undefined) => {
    const stream = s.newReadable();
    s.wrapReadable(stream);
    s.setUpByteController(stream, start, pull, cancel, highWaterMark, autoAllocate);
    return stream;
  };

  /* ReadableStreamDefaultTee (section 4.9.1). */
  const tee = (stream, copied = false) => {
    if (stream.controller.bytes) return s.teeBytes(stream);
    const reader = s.acquireDefaultReader(stream);
    const ended = deferred();
    let reading = false, again = false, canceled1 = false, canceled2 = false, reason1, reason2, branch1, branch2;
    const pull = () => {
      if (reading) {
        again = true;
        return resolved(undefined);
      }
      reading = true;
      s.readDefault(reader, {
        __proto__: null,
        chunk: (chunk) => s.microtask(() => {
          again = false;
          let second = chunk;
          try {
            if (copied && !canceled2) second = host.cloneChunk(chunk);
          } catch (error) {
            s.defaultError(branch1.controller, error);
            s.defaultError(branch2.controller, error);
            ended.resolve(s.readableCancel(stream, error));
            return;
          }
          if (!canceled1) s.defaultEnqueue(branch1.controller, chunk);
          if (!canceled2) s.defaultEnqueue(branch2.controller, second);
          reading = false;
          if (again) pull();
        }),
        close: () => {
          reading = false;
          if (!canceled1) s.defaultClose(branch1.controller);
          if (!canceled2) s.defaultClose(branch2.controller);
          if (!canceled1 || !canceled2) ended.resolve(undefined);
        },
        error: () => { reading = false; },
      });
      return resolved(undefined);
    };
    const cancelBoth = () => {
      if (canceled1 && canceled2) ended.resolve(s.readableCancel(stream, [reason1, reason2]));
      return ended.promise;
    };
    const cancel1 = (reason) => { canceled1 = true; reason1 = reason; return cancelBoth(); };
    const cancel2 = (reason) => { canceled2 = true; reason2 = reason; return cancelBoth(); };
    branch1 = s.createReadable(() => undefined, pull, cancel1);
    branch2 = s.createReadable(() => undefined, pull, cancel2);
    then(reader.closed.promise, undefined, (error) => {
      s.defaultError(branch1.controller, error);
      s.defaultError(branch2.controller, error);
      if (!canceled1 || !canceled2) ended.resolve(undefined);
    });
    return [branch1, branch2];
  };
  s.readableTee = tee;

  /* GetIterator of kind async (ECMA-262 section 7.4.4), with a synchronous one as its fallback. */
  const method = (object, key, what) => {
    const f = object[key];
    if (f === undefined || f === null) return undefined;
    return typeof f === 'function' ? f : typeError(`${what} is not a function`);
  };
  const opened = (f, iterable) => {
    const iterator = call(f, iterable);
    if (!s.isObject(iterator)) typeError('the iterator is not an object');
    return iterator;
  };
  const iteratorOver = (iterable) => {
    if (iterable === undefined || iterable === null) typeError('ReadableStream.from needs an iterable');
    const own = method(iterable, host.asyncIterator, '[Symbol.asyncIterator]');
    if (own !== undefined) {
      const iterator = opened(own, iterable);
      return { __proto__: null, iterator, next: iterator.next };
    }
    const plain = method(iterable, host.iterator, '[Symbol.iterator]');
    if (plain === undefined) typeError('ReadableStream.from needs an iterable');
    const inner = opened(plain, iterable);
    const { next } = inner;
    const step = (result) => {
      if (!s.isObject(result)) typeError('the result of the iterator is not an object');
      const done = !!result.done;
      return then(resolved(result.value), (value) => ({ value, done }));
    };
    const iterator = {
      __proto__: null,
      return: (reason) => {
        const end = method(inner, 'return', 'return');
        return end === undefined ? { value: reason, done: true } : step(call(end, inner, reason));
      },
    };
    return { __proto__: null, iterator, next: () => step(call(next, inner)) };
  };

  /* ReadableStreamFromIterable (section 4.9.1). */
  const from = (iterable, convert) => {
    const { iterator, next } = iteratorOver(iterable);
    let stream;
    const pull = () => {
      let promise;
      try {
        promise = resolved(call(next, iterator));
      } catch (error) {
        return rejected(error);
      }
      return then(promise, (result) => {
        if (!s.isObject(result)) typeError('the result of next() is not an object');
        if (result.done) s.defaultClose(stream.controller);
        else s.defaultEnqueue(stream.controller, convert === undefined ? result.value : convert(result.value));
      });
    };
    const cancel = (reason) => {
      let promise;
      try {
        const method = iterator.return;
        if (method === undefined || method === null) return resolved(undefined);
        if (typeof method !== 'function') typeError('return is not a function');
        promise = resolved(call(method, iterator, reason));
      } catch (error) {
        return rejected(error);
      }
      return then(promise, (result) => {
        if (!s.isObject(result)) typeError('the result of return() is not an object');
      });
    };
    stream = s.createReadable(() => undefined, pull, cancel, 0);
    return stream.self;
  };
  s.fromIterable = from;

  class ReadableStream {
    #stream;

    static {
      streamOf = (value) => (#stream in value ? value.#stream : undefined);
    }

    constructor(source = undefined, strategy = undefined) {
      if (source === wrapping) {
        this.#stream = strategy;
        return;
      }
      const underlying = s.object(source, 'underlyingSource');
      const plan = s.strategy(strategy);
      const given = s.source(underlying);
      const stream = this.#stream = s.newReadable();
      stream.self = this;
      if (given.type === 'bytes') {
        if (plan.size !== undefined) rangeError('a byte stream has no size function');
        s.setUpByteSource(stream, underlying, given, s.highWaterMark(plan, 0));
      } else {
        s.setUpDefaultSource(stream, underlying, given, s.highWaterMark(plan, 1), s.sizeOf(plan));
      }
    }

    static from(iterable) {
      if (arguments.length === 0) typeError('ReadableStream.from: 1 argument required, but only 0 present');
      return from(iterable, undefined);
    }

    get locked() { return s.readableLocked(here(this, 'locked')); }

    cancel(reason = undefined) {
      try {
        const stream = here(this, 'cancel');
        if (s.readableLocked(stream)) typeError('the stream is locked to a reader');
        return s.readableCancel(stream, reason);
      } catch (error) {
        return rejected(error);
      }
    }

    getReader(options = undefined) {
      const stream = here(this, 'getReader');
      const { mode } = s.dictionary(options, 'options');
      if (mode === undefined) return s.acquireDefaultReader(stream).self;
      if (`${mode}` !== 'byob') typeError(`'${mode}' is not a mode of readers: the only one is "byob"`);
      return s.acquireByobReader(stream).self;
    }

    pipeThrough(transform, options = undefined) {
      const stream = here(this, 'pipeThrough');
      if (arguments.length === 0) typeError('pipeThrough: 1 argument required, but only 0 present');
      const pair = s.dictionary(transform, 'transform');
      const readable = pair.readable;
      if (!s.isReadableStream(readable)) typeError('transform.readable is no ReadableStream');
      const writable = s.isObject(pair.writable) ? pair.writable : undefined;
      const target = writable === undefined ? undefined : s.writableOf(writable);
      if (target === undefined) typeError('transform.writable is no WritableStream');
      const how = s.pipeOptions(options);
      if (s.readableLocked(stream)) typeError('the stream is locked to a reader');
      if (s.writableLocked(target)) typeError('transform.writable is locked to a writer');
      handled(s.pipe(stream, target, how));
      return readable;
    }

    pipeTo(destination, options = undefined) {
      try {
        const stream = here(this, 'pipeTo');
        if (arguments.length === 0) typeError('pipeTo: 1 argument required, but only 0 present');
        const target = s.isObject(destination) ? s.writableOf(destination) : undefined;
        if (target === undefined) typeError('the destination is no WritableStream');
        const how = s.pipeOptions(options);
        if (s.readableLocked(stream)) typeError('the stream is locked to a reader');
        if (s.writableLocked(target)) typeError('the destination is locked to a writer');
        return s.pipe(stream, target, how);
      } catch (error) {
        return rejected(error);
      }
    }

    tee() {
      const branches = tee(here(this, 'tee'));
      return [branches[0].self, branches[1].self];
    }

    values(options = undefined) {
      const stream = here(this, 'values');
      const keep = !!s.dictionary(options, 'options').preventCancel;
      return s.iterate(s.acquireDefaultReader(stream), keep);
    }
  }
  s.ReadableStream = ReadableStream;

  /* The asynchronous iterator (section 4.2.5; Web IDL section 3.7.10). */
  let iteratorOf;
  class ReadableStreamAsyncIterator {
    #it;
    static { iteratorOf = (value) => (s.isObject(value) && #it in value ? value.#it : undefined); }
    constructor(it) { this.#it = it; }
  }
  const nextStep = (it) => {
    if (it.finished) return resolved({ value: undefined, done: true });
    const answer = deferred();
    s.readDefault(it.reader, {
      __proto__: null,
      chunk: (value) => answer.resolve({ __proto__: null, value, done: false }),
      close: () => {
        it.finished = true;
        s.releaseDefault(it.reader);
        answer.resolve({ __proto__: null, value: undefined, done: true });
      },
      error: (error) => {
        it.finished = true;
        s.releaseDefault(it.reader);
        answer.reject(error);
      },
    });
    return then(answer.promise, ({ value, done }) => ({ value, done }));
  };
  const returnStep = (it, value) => {
    if (it.finished) return resolved({ value, done: true });
    it.finished = true;
    let end = resolved(undefined);
    if (it.keep) s.releaseDefault(it.reader);
    else {
      end = s.readableCancel(it.reader.stream, value);
      s.releaseDefault(it.reader);
    }
    return then(end, () => ({ value, done: true }));
  };
  /* Calls stand in line: each begins when the one before it has ended. */
  const inLine = (it, step) => {
    const run = () => step(it);
    const promise = it.ongoing === undefined ? run() : then(it.ongoing, run, run);
    it.ongoing = promise;
    return promise;
  };
  const methods = {
    next() {
      const it = iteratorOf(this);
      if (it === undefined) return rejected(host.newTypeError('next called on an object that is no stream iterator'));
      return inLine(it, nextStep);
    },
    return(value) {
      const it = iteratorOf(this);
      if (it === undefined) return rejected(host.newTypeError('return called on an object that is no stream iterator'));
      return inLine(it, (current) => returnStep(current, value));
    },
  };
  s.iteratorClass = ReadableStreamAsyncIterator;
  s.iteratorMethods = methods;
  s.someGenerator = async function* () {};
  s.iterate = (reader, keep) => new ReadableStreamAsyncIterator(
    { __proto__: null, reader, keep, finished: false, ongoing: undefined });
})
