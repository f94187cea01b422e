/* WritableStream, its writer and its controller (Streams Standard, section 5).
 * Owns: the three classes and their algorithms. Must not know: where chunks come from. */
(function (host, s) {
  const { typeError, rangeError, newTypeError, resolved, rejected, deferred, then, handled } = host;
  let streamOf, writerOf, controllerOf;
  const noop = () => undefined;

  /* A promise that knows whether it is settled. */
  const slot = () => ({ __proto__: null, pending: true, ...deferred() });
  const done = (promise) => ({ __proto__: null, pending: false, promise });
  const resolveSlot = (it) => { it.pending = false; it.resolve(undefined); };
  const rejectSlot = (it, error) => {
    if (it.pending) {
      it.pending = false;
      it.reject(error);
    } else {
      it.promise = rejected(error);
    }
    handled(it.promise);
  };

  s.writableOf = (value) => streamOf(value);
  s.writableLocked = (stream) => stream.writer !== undefined;
  const here = (value, what) => {
    const stream = s.isObject(value) ? streamOf(value) : undefined;
    return stream === undefined ? typeError(`${what} called on an object that is no WritableStream`) : stream;
  };

  const newWritable = () => ({
    __proto__: null, self: null, state: 'writable', storedError: undefined, writer: undefined,
    controller: undefined, writes: s.list(), writing: undefined, closeRequest: undefined, closing: undefined,
    abortRequest: undefined, backpressure: false,
  });
  const closeQueued = (stream) => stream.closeRequest !== undefined || stream.closing !== undefined;
  s.writableCloseQueued = closeQueued;

  s.writableAbort = (stream, reason) => {
    if (stream.state === 'closed' || stream.state === 'errored') return resolved(undefined);
    const c = stream.controller;
    c.abortReason = { __proto__: null, reason };
    if (c.signal !== undefined) host.abortSignal(c.signal, reason);
    if (stream.state === 'closed' || stream.state === 'errored') return resolved(undefined);
    if (stream.abortRequest !== undefined) return stream.abortRequest.promise;
    const erroring = stream.state === 'erroring';
    const request = { __proto__: null, reason: erroring ? undefined : reason, erroring, ...deferred() };
    stream.abortRequest = request;
    if (!erroring) startErroring(stream, reason);
    return request.promise;
  };

  const close = (stream) => {
    if (stream.state === 'closed' || stream.state === 'errored') {
      return rejected(newTypeError('the stream is closed, or errored'));
    }
    const request = deferred();
    stream.closeRequest = request;
    const { writer } = stream;
    if (writer !== undefined && stream.backpressure && stream.state === 'writable') resolveSlot(writer.ready);
    s.enqueueSized(stream.controller.queue, closing, 0);
    advance(stream.controller);
    return request.promise;
  };

  const rejectClosed = (stream) => {
    if (stream.closeRequest !== undefined) {
      stream.closeRequest.reject(stream.storedError);
      stream.closeRequest = undefined;
    }
    if (stream.writer !== undefined) rejectSlot(stream.writer.closed, stream.storedError);
  };
  const startErroring = (stream, reason) => {
    stream.state = 'erroring';
    stream.storedError = reason;
    if (stream.writer !== undefined) rejectSlot(stream.writer.ready, reason);
    const inFlight = stream.writing !== undefined || stream.closing !== undefined;
    if (!inFlight && stream.controller.started) finishErroring(stream);
  };
  const finishErroring = (stream) => {
    stream.state = 'errored';
    s.resetQueue(stream.controller.queue);
    const { writes } = stream;
    stream.writes = s.list();
    while (writes.length > 0) s.shift(writes).reject(stream.storedError);
    const request = stream.abortRequest;
    if (request === undefined) {
      rejectClosed(stream);
      return;
    }
    stream.abortRequest = undefined;
    if (request.erroring) {
      request.reject(stream.storedError);
      rejectClosed(stream);
      return;
    }
    const result = stream.controller.abort(request.reason);
    clear(stream.controller);
    then(result, () => {
      request.resolve(undefined);
      rejectClosed(stream);
    }, (error) => {
      request.reject(error);
      rejectClosed(stream);
    });
  };
  const failed = (stream, error) => {
    if (stream.state === 'writable') startErroring(stream, error); else finishErroring(stream);
  };
  const finishClose = (stream) => {
    stream.closing.resolve(undefined);
    stream.closing = undefined;
    if (stream.state === 'erroring') {
      stream.storedError = undefined;
      if (stream.abortRequest !== undefined) {
        stream.abortRequest.resolve(undefined);
        stream.abortRequest = undefined;
      }
    }
    stream.state = 'closed';
    if (stream.writer !== undefined) resolveSlot(stream.writer.closed);
  };
  const failClose = (stream, error) => {
    stream.closing.reject(error);
    stream.closing = undefined;
    if (stream.abortRequest !== undefined) {
      stream.abortRequest.reject(error);
      stream.abortRequest = undefined;
    }
    failed(stream, error);
  };
  const updateBackpressure = (stream, backpressure) => {
    const { writer } = stream;
    if (writer !== undefined && backpressure !== stream.backpressure) {
      if (backpressure) writer.ready = slot(); else resolveSlot(writer.ready);
    }
    stream.backpressure = backpressure;
  };

  /* The controller. */
  const closing = { __proto__: null };
  const clear = (c) => { c.write = c.close = c.abort = c.size = undefined; };
  const desiredSize = (c) => c.highWaterMark - c.queue.total;
  const hasBackpressure = (c) => desiredSize(c) <= 0;
  const errorNow = (c, error) => {
    clear(c);
    startErroring(c.stream, error);
  };
  s.writableErrorIfNeeded = (c, error) => { if (c.stream.state === 'writable') errorNow(c, error); };

  const advance = (c) => {
    const { stream } = c;
    if (!c.started || stream.writing !== undefined) return;
    if (stream.state === 'erroring') {
      finishErroring(stream);
      return;
    }
    if (c.queue.list.length === 0) return;
    const value = s.peekSized(c.queue);
    if (value === closing) processClose(c); else processWrite(c, value);
  };
  const processClose = (c) => {
    const { stream } = c;
    stream.closing = stream.closeRequest;
    stream.closeRequest = undefined;
    s.dequeueSized(c.queue);
    const result = c.close();
    clear(c);
    then(result, () => finishClose(stream), (error) => failClose(stream, error));
  };
  const processWrite = (c, chunk) => {
    const { stream } = c;
    stream.writing = s.shift(stream.writes);
    then(c.write(chunk), () => {
      stream.writing.resolve(undefined);
      stream.writing = undefined;
      const { state } = stream;
      s.dequeueSized(c.queue);
      if (!closeQueued(stream) && state === 'writable') updateBackpressure(stream, hasBackpressure(c));
      advance(c);
    }, (error) => {
      if (stream.state === 'writable') clear(c);
      stream.writing.reject(error);
      stream.writing = undefined;
      failed(stream, error);
    });
  };
  const chunkSize = (c, chunk) => {
    if (c.size === undefined) return 1;
    try {
      return c.size(chunk);
    } catch (error) {
      s.writableErrorIfNeeded(c, error);
      return 1;
    }
  };

  const setUpController = (stream, start, write, close, abort, highWaterMark, size) => {
    const c = {
      __proto__: null, self: undefined, stream, queue: s.sizedQueue(), started: false, highWaterMark, size,
      write, close, abort, signal: undefined, abortReason: undefined,
    };
    stream.controller = c;
    updateBackpressure(stream, hasBackpressure(c));
    then(resolved(start(c)), () => {
      c.started = true;
      advance(c);
    }, (error) => {
      c.started = true;
      failed(stream, error);
    });
  };
  s.createWritable = (start, write, close, abort, highWaterMark = 1, size = () => 1) => {
    const stream = newWritable();
    stream.self = new WritableStream(s.token, stream);
    setUpController(stream, start, write, close, abort, highWaterMark, size);
    return stream;
  };

  class WritableStream {
    #stream;
    static { streamOf = (value) => (#stream in value ? value.#stream : undefined); }

    constructor(sink = undefined, strategy = undefined) {
      if (sink === s.token) {
        this.#stream = strategy;
        return;
      }
      const underlying = s.object(sink, 'underlyingSink');
      const plan = s.strategy(strategy);
      const given = { __proto__: null };
      if (underlying !== null) {
        given.abort = s.callback(underlying, 'abort');
        given.close = s.callback(underlying, 'close');
        given.start = s.callback(underlying, 'start');
        if (underlying.type !== undefined) rangeError('there are no types of sinks: leave `type` out');
        given.write = s.callback(underlying, 'write');
      }
      const size = s.sizeOf(plan);
      const highWaterMark = s.highWaterMark(plan, 1);
      const stream = this.#stream = newWritable();
      stream.self = this;
      let c;
      const self = () => c.self ??= new WritableStreamDefaultController(s.token, c);
      const start = s.starter(underlying, given.start, self);
      const write = s.algorithm(underlying, given.write, 2);
      setUpController(stream, (record) => {
        c = record;
        return start();
      }, given.write === undefined ? write : (chunk) => write(chunk, self()), s.algorithm(underlying, given.close, 0),
      s.algorithm(underlying, given.abort, 1), highWaterMark, size);
    }

    get locked() { return s.writableLocked(here(this, 'locked')); }

    abort(reason = undefined) {
      try {
        const stream = here(this, 'abort');
        if (s.writableLocked(stream)) typeError('the stream is locked to a writer');
        return s.writableAbort(stream, reason);
      } catch (error) {
        return rejected(error);
      }
    }

    close() {
      try {
        const stream = here(this, 'close');
        if (s.writableLocked(stream)) typeError('the stream is locked to a writer');
        if (closeQueued(stream)) typeError('the stream is closing already');
        return close(stream);
      } catch (error) {
        return rejected(error);
      }
    }

    getWriter() { return s.acquireWriter(here(this, 'getWriter')).self; }
  }
  s.WritableStream = WritableStream;

  /* The writer. */
  const newWriter = (stream) => {
    if (s.writableLocked(stream)) typeError('the stream is locked to a writer already');
    const writer = { __proto__: null, self: null, stream, ready: undefined, closed: undefined };
    stream.writer = writer;
    const { state } = stream;
    const broken = () => {
      const promise = rejected(stream.storedError);
      handled(promise);
      return done(promise);
    };
    if (state === 'writable') {
      writer.ready = !closeQueued(stream) && stream.backpressure ? slot() : done(resolved(undefined));
      writer.closed = slot();
    } else if (state === 'closed') {
      writer.ready = done(resolved(undefined));
      writer.closed = done(resolved(undefined));
    } else {
      writer.ready = broken();
      writer.closed = state === 'erroring' ? slot() : broken();
    }
    return writer;
  };
  s.acquireWriter = (stream) => {
    const writer = newWriter(stream);
    writer.self = new WritableStreamDefaultWriter(s.token, writer);
    return writer;
  };
  s.writerWrite = (writer, chunk) => {
    const { stream } = writer;
    const size = chunkSize(stream.controller, chunk);
    if (stream !== writer.stream) return rejected(newTypeError('the writer was released'));
    if (stream.state === 'errored') return rejected(stream.storedError);
    if (closeQueued(stream) || stream.state === 'closed') {
      return rejected(newTypeError('the stream is closing, or closed'));
    }
    if (stream.state === 'erroring') return rejected(stream.storedError);
    const request = deferred();
    s.push(stream.writes, request);
    const c = stream.controller;
    try {
      s.enqueueSized(c.queue, chunk, size);
    } catch (error) {
      s.writableErrorIfNeeded(c, error);
      return request.promise;
    }
    if (!closeQueued(stream) && stream.state === 'writable') updateBackpressure(stream, hasBackpressure(c));
    advance(c);
    return request.promise;
  };
  s.writerCloseForPipe = (writer) => {
    const { stream } = writer;
    if (closeQueued(stream) || stream.state === 'closed') return resolved(undefined);
    return stream.state === 'errored' ? rejected(stream.storedError) : close(stream);
  };
  s.releaseWriter = (writer) => {
    const error = newTypeError('the writer was released');
    rejectSlot(writer.ready, error);
    rejectSlot(writer.closed, error);
    writer.stream.writer = undefined;
    writer.stream = undefined;
  };
  const writerHere = (value, what) => {
    const writer = s.isObject(value) ? writerOf(value) : undefined;
    return writer === undefined ? typeError(`${what} called on an object that is no WritableStreamDefaultWriter`) : writer;
  };
  const streamHere = (writer) => (writer.stream === undefined ? typeError('the writer was released') : writer.stream);

  class WritableStreamDefaultWriter {
    #writer;
    static { writerOf = (value) => (#writer in value ? value.#writer : undefined); }

    constructor(stream, record = undefined) {
      if (stream === s.token) {
        this.#writer = record;
        return;
      }
      const of = s.isObject(stream) ? streamOf(stream) : undefined;
      this.#writer = newWriter(of === undefined ? typeError('a writer needs a WritableStream') : of);
      this.#writer.self = this;
    }

    get closed() {
      try {
        return writerHere(this, 'closed').closed.promise;
      } catch (error) {
        return rejected(error);
      }
    }

    get desiredSize() {
      const stream = streamHere(writerHere(this, 'desiredSize'));
      if (stream.state === 'errored' || stream.state === 'erroring') return null;
      return stream.state === 'closed' ? 0 : desiredSize(stream.controller);
    }

    get ready() {
      try {
        return writerHere(this, 'ready').ready.promise;
      } catch (error) {
        return rejected(error);
      }
    }

    abort(reason = undefined) {
      try {
        return s.writableAbort(streamHere(writerHere(this, 'abort')), reason);
      } catch (error) {
        return rejected(error);
      }
    }

    close() {
      try {
        const stream = streamHere(writerHere(this, 'close'));
        if (closeQueued(stream)) typeError('the stream is closing already');
        return close(stream);
      } catch (error) {
        return rejected(error);
      }
    }

    releaseLock() {
      const writer = writerHere(this, 'releaseLock');
      if (writer.stream !== undefined) s.releaseWriter(writer);
    }

    write(chunk = undefined) {
      try {
        const writer = writerHere(this, 'write');
        streamHere(writer);
        return s.writerWrite(writer, chunk);
      } catch (error) {
        return rejected(error);
      }
    }
  }
  s.WritableStreamDefaultWriter = WritableStreamDefaultWriter;

  const controllerHere = (value, what) => {
    const c = s.isObject(value) ? controllerOf(value) : undefined;
    return c === undefined ? typeError(`${what} called on an object that is no WritableStreamDefaultController`) : c;
  };

  class WritableStreamDefaultController {
    #controller;
    static { controllerOf = (value) => (#controller in value ? value.#controller : undefined); }

    constructor(token = undefined, record = undefined) {
      if (token !== s.token) typeError('Illegal constructor');
      this.#controller = record;
    }

    get signal() {
      const c = controllerHere(this, 'signal');
      if (c.signal === undefined) {
        c.signal = host.newSignal();
        if (c.abortReason !== undefined) host.abortSignal(c.signal, c.abortReason.reason);
      }
      return c.signal;
    }

    error(error = undefined) {
      const c = controllerHere(this, 'error');
      if (c.stream.state === 'writable') errorNow(c, error);
    }
  }
  s.WritableStreamDefaultController = WritableStreamDefaultController;

  /* ReadableStreamPipeTo (section 4.9.1). */
  s.pipeOptions = (options) => {
    const given = s.dictionary(options, 'options');
    const preventAbort = !!given.preventAbort;
    const preventCancel = !!given.preventCancel;
    const preventClose = !!given.preventClose;
    const { signal } = given;
    if (signal !== undefined && !host.isSignal(signal)) typeError('signal is no AbortSignal');
    return { __proto__: null, preventAbort, preventCancel, preventClose, signal };
  };
  s.pipe = (source, target, { preventAbort, preventCancel, preventClose, signal }) => {
    const reader = s.acquireDefaultReader(source);
    const writer = s.acquireWriter(target);
    source.disturbed = true;
    const end = deferred();
    let shuttingDown = false, lastWrite = resolved(undefined), follower;
    const ready = lastWrite;

    const finalize = (failedWith) => {
      s.releaseWriter(writer);
      s.releaseDefault(reader);
      if (follower !== undefined) host.forget(signal, follower);
      if (failedWith !== undefined) end.reject(failedWith.error); else end.resolve(undefined);
    };
    const written = () => {
      const seen = lastWrite;
      return then(seen, () => (seen === lastWrite ? undefined : written()));
    };
    const shutDown = (failedWith, action = undefined) => {
      if (shuttingDown) return;
      shuttingDown = true;
      const rest = () => {
        if (action === undefined) finalize(failedWith);
        else then(action(), () => finalize(failedWith), (error) => finalize({ __proto__: null, error }));
      };
      if (target.state === 'writable' && !closeQueued(target)) then(written(), rest); else rest();
    };

    if (signal !== undefined) {
      const abort = () => {
        const error = host.abortReason(signal);
        const both = () => {
          const first = !preventAbort && target.state === 'writable' ? s.writableAbort(target, error) : resolved(undefined);
          const second = !preventCancel && source.state === 'readable' ? s.readableCancel(source, error) : resolved(undefined);
          const answer = deferred();
          let open = 2;
          const one = () => { if (--open === 0) answer.resolve(undefined); };
          then(first, one, answer.reject);
          then(second, one, answer.reject);
          return answer.promise;
        };
        shutDown({ __proto__: null, error }, both);
      };
      if (host.isAborted(signal)) {
        abort();
        return end.promise;
      }
      follower = abort;
      host.follow(signal, abort);
    }

    const whenErrored = (stream, closed, action) => {
      if (stream.state === 'errored') action(stream.storedError); else then(closed, undefined, action);
    };
    whenErrored(source, reader.closed.promise, (error) => shutDown({ __proto__: null, error },
      preventAbort ? undefined : () => s.writableAbort(target, error)));
    whenErrored(target, writer.closed.promise, (error) => shutDown({ __proto__: null, error },
      preventCancel ? undefined : () => s.readableCancel(source, error)));
    const ended = () => shutDown(undefined, preventClose ? undefined : () => s.writerCloseForPipe(writer));
    if (source.state === 'closed') ended(); else then(reader.closed.promise, ended, noop);
    const lost = () => {
      if (shuttingDown) return;
      const error = newTypeError('the destination is closing, or closed');
      shutDown({ __proto__: null, error }, preventCancel ? undefined : () => s.readableCancel(source, error));
    };
    // A socket's closes while it is locked, with the peer's end.
    if (closeQueued(target) || target.state === 'closed') lost(); else then(writer.closed.promise, lost, noop);

    const request = {
      __proto__: null,
      // The source may have enqueued the chunk just now: its sink is not called inside of that call.
      chunk: (chunk) => {
        lastWrite = then(ready, () => {
          if (writer.stream === undefined) return undefined;
          const write = s.writerWrite(writer, chunk);
          step();
          return then(write, undefined, noop);
        });
      },
      close: noop,
      error: noop,
    };
    const read = () => { if (!shuttingDown) s.readDefault(reader, request); };
    const step = () => { if (!shuttingDown) then(writer.ready.promise, read, noop); };
    step();
    return end.promise;
  };
})
