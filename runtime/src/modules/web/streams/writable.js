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
    abortRequest: undefined, backpressure: false, drain: undefined, owner: undefined, pass: undefined,
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
    s.haltPass(stream);
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
    s.haltPass(stream);
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
  /* Bytes that native code moves into the sink (pipe.js): it moves no more, and what it holds is a write in flight. */
  s.haltPass = (stream) => {
    const { pass } = stream;
    if (pass === undefined) return;
    stream.pass = undefined;
    if (host.stopPass(pass.passage)) stream.writing = pass.written; else pass.written.resolve(undefined);
  };
  /* All is moved, or the sink has failed. */
  s.passEnded = (stream, pass, failedWith) => {
    if (stream.pass === pass) {
      stream.pass = undefined;
      stream.writing = pass.written;
    }
    if (stream.writing !== pass.written) return;
    if (failedWith !== undefined) {
      stream.drain.failed(stream, failedWith.error);
      if (stream.state === 'writable') clear(stream.controller);
    }
    pass.written.resolve(undefined);
    stream.writing = undefined;
    if (failedWith === undefined) advance(stream.controller); else failed(stream, failedWith.error);
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
      write, close, abort, signal: undefined, abortReason: undefined, starting: undefined,
    };
    stream.controller = c;
    updateBackpressure(stream, hasBackpressure(c));
    c.starting = then(resolved(start(c)), () => {
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
})
