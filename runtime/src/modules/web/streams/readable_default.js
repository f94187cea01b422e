/* ReadableStreamDefaultReader and ReadableStreamDefaultController (Streams Standard, sections 4.3, 4.4, 4.6
 * and 4.9.3 to 4.9.4).
 * Owns: the two classes, what all readers share. Must not know: byte streams. */
(function (host, s) {
  const { typeError, newTypeError, resolved, rejected, deferred, then, handled } = host;
  let readerOf, controllerOf;

  /* Readers, of both kinds. */
  s.newReader = (stream, byob) => {
    if (s.readableLocked(stream)) typeError('the stream is locked to a reader already');
    const reader = { __proto__: null, self: null, stream, byob, requests: s.list(), closed: undefined };
    stream.reader = reader;
    if (stream.state === 'readable') {
      reader.closed = deferred();
    } else {
      const promise = stream.state === 'closed' ? resolved(undefined) : rejected(stream.storedError);
      if (stream.state === 'errored') handled(promise);
      reader.closed = { __proto__: null, promise, resolve: () => undefined, reject: () => undefined };
    }
    return reader;
  };
  s.errorRequests = (reader, error) => {
    const { requests } = reader;
    reader.requests = s.list();
    while (requests.length > 0) s.shift(requests).error(error);
  };
  const release = (reader) => {
    const { stream } = reader;
    const error = newTypeError('the reader was released');
    if (stream.state === 'readable') reader.closed.reject(error);
    else reader.closed = { __proto__: null, promise: rejected(error) };
    handled(reader.closed.promise);
    stream.controller.releaseSteps();
    stream.reader = undefined;
    reader.stream = undefined;
    s.errorRequests(reader, newTypeError('the reader was released'));
  };
  s.releaseDefault = release;
  s.releaseByob = release;
  s.readerCancel = (reader, reason) => (reader.stream === undefined
    ? rejected(newTypeError('the reader was released'))
    : s.readableCancel(reader.stream, reason));

  s.acquireDefaultReader = (stream) => {
    const reader = s.newReader(stream, false);
    reader.self = new ReadableStreamDefaultReader(s.token, reader);
    return reader;
  };
  s.readDefault = (reader, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === 'closed') request.close();
    else if (stream.state === 'errored') request.error(stream.storedError);
    else stream.controller.pullSteps(request);
  };

  const readerHere = (value, what) => {
    const reader = s.isObject(value) ? readerOf(value) : undefined;
    return reader === undefined ? typeError(`${what} called on an object that is no ReadableStreamDefaultReader`) : reader;
  };

  class ReadableStreamDefaultReader {
    #reader;
    static { readerOf = (value) => (#reader in value ? value.#reader : undefined); }

    constructor(stream, record = undefined) {
      if (stream === s.token) {
        this.#reader = record;
        return;
      }
      const of = s.isReadableStream(stream) ? s.readableOf(stream) : typeError('a reader needs a ReadableStream');
      this.#reader = s.newReader(of, false);
      this.#reader.self = this;
    }

    get closed() {
      try {
        return readerHere(this, 'closed').closed.promise;
      } catch (error) {
        return rejected(error);
      }
    }

    cancel(reason = undefined) {
      try {
        return s.readerCancel(readerHere(this, 'cancel'), reason);
      } catch (error) {
        return rejected(error);
      }
    }

    read() {
      try {
        const reader = readerHere(this, 'read');
        if (reader.stream === undefined) typeError('the reader was released');
        const answer = deferred();
        s.readDefault(reader, {
          __proto__: null,
          chunk: (value) => answer.resolve({ value, done: false }),
          close: () => answer.resolve({ value: undefined, done: true }),
          error: answer.reject,
        });
        return answer.promise;
      } catch (error) {
        return rejected(error);
      }
    }

    releaseLock() {
      const reader = readerHere(this, 'releaseLock');
      if (reader.stream !== undefined) release(reader);
    }
  }
  s.ReadableStreamDefaultReader = ReadableStreamDefaultReader;

  /* The controller. */
  const clear = (c) => { c.pull = c.cancel = c.size = undefined; };
  const canEnqueue = (c) => !c.closeRequested && c.stream.state === 'readable';
  s.defaultCanEnqueue = canEnqueue;
  const desiredSize = (c) => {
    if (c.stream.state === 'errored') return null;
    return c.stream.state === 'closed' ? 0 : c.highWaterMark - c.queue.total;
  };
  s.defaultDesiredSize = desiredSize;

  const shouldPull = (c) => canEnqueue(c) && c.started
    && (s.readableLocked(c.stream) && s.waitingReads(c.stream) > 0 || desiredSize(c) > 0);
  s.defaultShouldPull = shouldPull;
  const pullIfNeeded = s.puller(shouldPull, (c, error) => s.defaultError(c, error));

  s.defaultClose = (c) => {
    if (!canEnqueue(c)) return;
    c.closeRequested = true;
    if (c.queue.list.length === 0) {
      clear(c);
      s.readableClose(c.stream);
    }
  };
  s.defaultEnqueue = (c, chunk) => {
    if (!canEnqueue(c)) return;
    if (s.readableLocked(c.stream) && s.waitingReads(c.stream) > 0) {
      s.fulfillRead(c.stream, chunk, false);
    } else {
      try {
        s.enqueueSized(c.queue, chunk, c.size(chunk));
      } catch (error) {
        s.defaultError(c, error);
        throw error;
      }
    }
    pullIfNeeded(c);
  };
  s.defaultError = (c, error) => {
    if (c.stream.state !== 'readable') return;
    s.resetQueue(c.queue);
    clear(c);
    s.readableError(c.stream, error);
  };

  s.setUpDefaultController = (stream, start, pull, cancel, highWaterMark, size) => {
    const c = {
      __proto__: null, self: undefined, bytes: false, stream, queue: s.sizedQueue(), started: false,
      closeRequested: false, pullAgain: false, pulling: false, highWaterMark, size, pull, cancel,
      cancelSteps: (reason) => {
        s.resetQueue(c.queue);
        const result = c.cancel(reason);
        clear(c);
        return result;
      },
      pullSteps: (request) => {
        if (c.queue.list.length === 0) {
          s.push(stream.reader.requests, request);
          pullIfNeeded(c);
          return;
        }
        const chunk = s.dequeueSized(c.queue);
        if (c.closeRequested && c.queue.list.length === 0) {
          clear(c);
          s.readableClose(stream);
        } else {
          pullIfNeeded(c);
        }
        request.chunk(chunk);
      },
      releaseSteps: () => undefined,
    };
    stream.controller = c;
    then(resolved(start(c)), () => {
      c.started = true;
      pullIfNeeded(c);
    }, (error) => s.defaultError(c, error));
  };

  /* UnderlyingSource, its members read in the order of Web IDL. */
  s.source = (underlying) => {
    const given = { __proto__: null };
    if (underlying === null) return given;
    const auto = underlying.autoAllocateChunkSize;
    if (auto !== undefined) given.autoAllocateChunkSize = s.enforced(auto, 'autoAllocateChunkSize', 0);
    given.cancel = s.callback(underlying, 'cancel');
    given.pull = s.callback(underlying, 'pull');
    given.start = s.callback(underlying, 'start');
    const type = underlying.type;
    if (type !== undefined) {
      given.type = `${type}`;
      if (given.type !== 'bytes') typeError(`'${given.type}' is not a type of streams: the only one is "bytes"`);
    }
    return given;
  };
  s.setUpDefaultSource = (stream, underlying, given, highWaterMark, size) => {
    let c;
    const self = () => c.self ??= new ReadableStreamDefaultController(s.token, c);
    const pull = s.algorithm(underlying, given.pull, 1);
    const start = s.starter(underlying, given.start, self);
    s.setUpDefaultController(stream, (record) => {
      c = record;
      return start();
    }, given.pull === undefined ? pull : () => pull(self()), s.algorithm(underlying, given.cancel, 1), highWaterMark, size);
  };

  const controllerHere = (value, what) => {
    const c = s.isObject(value) ? controllerOf(value) : undefined;
    return c === undefined ? typeError(`${what} called on an object that is no ReadableStreamDefaultController`) : c;
  };

  class ReadableStreamDefaultController {
    #controller;
    static { controllerOf = (value) => (#controller in value ? value.#controller : undefined); }

    constructor(token = undefined, record = undefined) {
      if (token !== s.token) typeError('Illegal constructor');
      this.#controller = record;
    }

    get desiredSize() { return desiredSize(controllerHere(this, 'desiredSize')); }

    close() {
      const c = controllerHere(this, 'close');
      if (!canEnqueue(c)) typeError('the stream is closed, or errored');
      s.defaultClose(c);
    }

    enqueue(chunk = undefined) {
      const c = controllerHere(this, 'enqueue');
      if (!canEnqueue(c)) typeError('the stream is closed, or errored');
      s.defaultEnqueue(c, chunk);
    }

    error(error = undefined) { s.defaultError(controllerHere(this, 'error'), error); }
  }
  s.ReadableStreamDefaultController = ReadableStreamDefaultController;
})
