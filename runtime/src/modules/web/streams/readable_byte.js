/* ReadableByteStreamController and its ReadableStreamBYOBRequest (Streams Standard, sections 4.7, 4.8, 4.9.5).
 * Owns: bytes that wait, buffers lent for filling. Must not know: readers' classes (readable_byob.js).
 * Buffers are transferred at every border, so that nobody else holds what is filled here. */
(function (host, s) {
  const { typeError, rangeError, newTypeError, resolved, then, viewOf, makeView, transfer, isDetached } = host;
  let controllerOf, requestOf;

  const clear = (c) => { c.pull = c.cancel = undefined; };
  const desiredSize = (c) => {
    if (c.stream.state === 'errored') return null;
    return c.stream.state === 'closed' ? 0 : c.highWaterMark - c.total;
  };

  const shouldPull = (c) => {
    const { stream } = c;
    if (stream.state !== 'readable' || c.closeRequested || !c.started) return false;
    return stream.reader !== undefined && s.waitingReads(stream) > 0 || desiredSize(c) > 0;
  };
  const pullIfNeeded = s.puller(shouldPull, (c, error) => s.byteError(c, error));

  const invalidateRequest = (c) => {
    if (c.byobRequest === null) return;
    c.byobRequest.controller = undefined;
    c.byobRequest.view = null;
    c.byobRequest = null;
  };
  const resetQueue = (c) => { c.queue = s.list(); c.total = 0; };
  const clearPending = (c) => { invalidateRequest(c); c.pending = s.list(); };
  const first = (c) => c.pending.head.value;

  const convert = (d) => makeView(d.kind, transfer(d.buffer), d.byteOffset, d.filled / d.elementSize);
  const commit = (stream, d) => s.fulfillRead(stream, convert(d), stream.state === 'closed');
  const commitAll = (stream, all) => { while (all.length > 0) commit(stream, s.shift(all)); };

  const enqueueChunk = (c, buffer, byteOffset, byteLength) => {
    s.push(c.queue, { __proto__: null, buffer, byteOffset, byteLength });
    c.total += byteLength;
  };
  const enqueueCloned = (c, buffer, byteOffset, byteLength) => {
    let copy;
    try {
      copy = host.slice(buffer, byteOffset, byteLength);
    } catch (error) {
      s.byteError(c, error);
      throw error;
    }
    enqueueChunk(c, copy, 0, byteLength);
  };
  const enqueueDetached = (c, d) => {
    if (d.filled > 0) enqueueCloned(c, d.buffer, d.byteOffset, d.filled);
    s.shift(c.pending);
  };

  /* Moves what is queued into a lent buffer; whether that fulfils its read. */
  const fillFromQueue = (c, d) => {
    const most = d.filled + (c.total < d.byteLength - d.filled ? c.total : d.byteLength - d.filled);
    let left = most - d.filled;
    const aligned = most - most % d.elementSize;
    const ready = aligned >= d.minimumFill;
    if (ready) left = aligned - d.filled;
    while (left > 0) {
      const head = c.queue.head.value;
      const count = left < head.byteLength ? left : head.byteLength;
      host.copy(d.buffer, d.byteOffset + d.filled, head.buffer, head.byteOffset, count);
      if (head.byteLength === count) s.shift(c.queue);
      else {
        head.byteOffset += count;
        head.byteLength -= count;
      }
      c.total -= count;
      d.filled += count;
      left -= count;
    }
    return ready;
  };
  const processPending = (c) => {
    const done = s.list();
    while (c.pending.length > 0 && c.total > 0) {
      const d = first(c);
      if (!fillFromQueue(c, d)) break;
      s.push(done, s.shift(c.pending));
    }
    return done;
  };
  const drained = (c) => {
    if (c.total === 0 && c.closeRequested) {
      clear(c);
      s.readableClose(c.stream);
    } else {
      pullIfNeeded(c);
    }
  };
  const giveFromQueue = (c, request) => {
    const { buffer, byteOffset, byteLength } = s.shift(c.queue);
    c.total -= byteLength;
    drained(c);
    request.chunk(makeView(host.UINT8, buffer, byteOffset, byteLength));
  };

  s.byteClose = (c) => {
    if (c.closeRequested || c.stream.state !== 'readable') return;
    if (c.total > 0) {
      c.closeRequested = true;
      return;
    }
    if (c.pending.length > 0 && first(c).filled % first(c).elementSize !== 0) {
      const error = newTypeError('closed in the middle of an element');
      s.byteError(c, error);
      throw error;
    }
    clear(c);
    s.readableClose(c.stream);
  };
  s.byteError = (c, error) => {
    if (c.stream.state !== 'readable') return;
    clearPending(c);
    resetQueue(c);
    clear(c);
    s.readableError(c.stream, error);
  };
  s.byteEnqueue = (c, view) => {
    const { stream } = c;
    if (c.closeRequested || stream.state !== 'readable') return;
    const { buffer, byteOffset, byteLength } = viewOf(view);
    if (isDetached(buffer)) typeError('the buffer of the chunk is detached');
    const bytes = transfer(buffer);
    if (c.pending.length > 0) {
      const d = first(c);
      if (isDetached(d.buffer)) typeError('the buffer to fill is detached');
      invalidateRequest(c);
      d.buffer = transfer(d.buffer);
      if (d.reader === 'none') enqueueDetached(c, d);
    }
    if (s.hasDefaultReader(stream)) {
      while (s.waitingReads(stream) > 0 && c.total > 0) giveFromQueue(c, s.shift(stream.reader.requests));
      if (s.waitingReads(stream) === 0) enqueueChunk(c, bytes, byteOffset, byteLength);
      else {
        if (c.pending.length > 0) s.shift(c.pending);
        s.fulfillRead(stream, makeView(host.UINT8, bytes, byteOffset, byteLength), false);
      }
    } else {
      enqueueChunk(c, bytes, byteOffset, byteLength);
      if (s.hasByobReader(stream)) commitAll(stream, processPending(c));
    }
    pullIfNeeded(c);
  };

  /* A read into a view of the reader's. */
  s.pullInto = (c, view, min, request) => {
    const { stream } = c;
    const { kind, elementSize, byteOffset, byteLength, buffer } = viewOf(view);
    let lent;
    try {
      lent = transfer(buffer);
    } catch (error) {
      request.error(error);
      return;
    }
    const d = {
      __proto__: null, buffer: lent, bufferByteLength: host.byteLengthOf(lent), byteOffset, byteLength, filled: 0,
      minimumFill: min * elementSize, elementSize, kind, reader: 'byob',
    };
    if (c.pending.length > 0) {
      s.push(c.pending, d);
      s.push(stream.reader.requests, request);
      return;
    }
    if (stream.state === 'closed') {
      request.close(makeView(kind, lent, byteOffset, 0));
      return;
    }
    if (c.total > 0) {
      if (fillFromQueue(c, d)) {
        const view = convert(d);
        drained(c);
        request.chunk(view);
        return;
      }
      if (c.closeRequested) {
        const error = newTypeError('the stream ended in the middle of an element');
        s.byteError(c, error);
        request.error(error);
        return;
      }
    }
    s.push(c.pending, d);
    s.push(stream.reader.requests, request);
    pullIfNeeded(c);
  };

  /* Answers to a lent buffer. */
  const respondClosed = (c, d) => {
    if (d.reader === 'none') s.shift(c.pending);
    if (!s.hasByobReader(c.stream)) return;
    const done = s.list();
    while (done.length < s.waitingReads(c.stream)) s.push(done, s.shift(c.pending));
    commitAll(c.stream, done);
  };
  const respondReadable = (c, d, count) => {
    d.filled += count;
    if (d.reader === 'none') {
      enqueueDetached(c, d);
      commitAll(c.stream, processPending(c));
      return;
    }
    if (d.filled < d.minimumFill) return;
    s.shift(c.pending);
    const rest = d.filled % d.elementSize;
    if (rest > 0) enqueueCloned(c, d.buffer, d.byteOffset + d.filled - rest, rest);
    d.filled -= rest;
    const done = processPending(c);
    commit(c.stream, d);
    commitAll(c.stream, done);
  };
  const respond = (c, count) => {
    const d = first(c);
    invalidateRequest(c);
    if (c.stream.state === 'closed') respondClosed(c, d); else respondReadable(c, d, count);
    pullIfNeeded(c);
  };
  const checkCount = (c, count) => {
    if (c.stream.state === 'closed') {
      if (count !== 0) typeError('the stream is closed: only 0 bytes can be answered');
    } else if (count === 0) {
      typeError('0 bytes can be answered only once the stream is closed');
    }
  };
  s.byteRespond = (c, count) => {
    const d = first(c);
    checkCount(c, count);
    if (d.filled + count > d.byteLength) rangeError('more bytes than there is room for');
    d.buffer = transfer(d.buffer);
    respond(c, count);
  };
  s.byteRespondWithView = (c, view) => {
    const d = first(c);
    const { buffer, byteOffset, byteLength } = viewOf(view);
    checkCount(c, byteLength);
    if (d.byteOffset + d.filled !== byteOffset) rangeError('the view begins at another place');
    if (d.bufferByteLength !== host.byteLengthOf(buffer)) rangeError('the buffer has another length');
    if (d.filled + byteLength > d.byteLength) rangeError('more bytes than there is room for');
    d.buffer = transfer(buffer);
    respond(c, byteLength);
  };

  s.setUpByteController = (stream, start, pull, cancel, highWaterMark, autoAllocate) => {
    const c = {
      __proto__: null, self: undefined, bytes: true, stream, queue: s.list(), total: 0, started: false,
      closeRequested: false, pullAgain: false, pulling: false, byobRequest: null, pending: s.list(), starting: undefined,
      highWaterMark, pull, cancel,
      cancelSteps: (reason) => {
        clearPending(c);
        resetQueue(c);
        const result = c.cancel(reason);
        clear(c);
        return result;
      },
      pullSteps: (request) => {
        if (c.total > 0) {
          giveFromQueue(c, request);
          return;
        }
        if (autoAllocate !== undefined) {
          let buffer;
          try {
            buffer = host.newBuffer(autoAllocate);
          } catch (error) {
            request.error(error);
            return;
          }
          s.push(c.pending, {
            __proto__: null, buffer, bufferByteLength: autoAllocate, byteOffset: 0, byteLength: autoAllocate,
            filled: 0, minimumFill: 1, elementSize: 1, kind: host.UINT8, reader: 'default',
          });
        }
        s.push(stream.reader.requests, request);
        pullIfNeeded(c);
      },
      releaseSteps: () => {
        if (c.pending.length === 0) return;
        const d = first(c);
        d.reader = 'none';
        c.pending = s.list();
        s.push(c.pending, d);
      },
    };
    stream.controller = c;
    c.starting = then(resolved(start(c)), () => {
      c.started = true;
      pullIfNeeded(c);
    }, (error) => s.byteError(c, error));
  };

  s.setUpByteSource = (stream, underlying, given, highWaterMark) => {
    if (given.autoAllocateChunkSize === 0) typeError('autoAllocateChunkSize must be greater than 0');
    let c;
    const self = () => c.self ??= new ReadableByteStreamController(s.token, c);
    const pull = s.algorithm(underlying, given.pull, 1);
    const start = s.starter(underlying, given.start, self);
    s.setUpByteController(stream, (record) => {
      c = record;
      return start();
    }, given.pull === undefined ? pull : () => pull(self()), s.algorithm(underlying, given.cancel, 1), highWaterMark,
    given.autoAllocateChunkSize);
  };

  const controllerHere = (value, what) => {
    const c = s.isObject(value) ? controllerOf(value) : undefined;
    return c === undefined ? typeError(`${what} called on an object that is no ReadableByteStreamController`) : c;
  };
  /* The request for the buffer that is lent first, if there is one. */
  s.byobRequest = (c) => {
    if (c.byobRequest === null && c.pending.length > 0) {
      const d = first(c);
      const view = makeView(host.UINT8, d.buffer, d.byteOffset + d.filled, d.byteLength - d.filled);
      c.byobRequest = { __proto__: null, self: null, controller: c, view };
      c.byobRequest.self = new ReadableStreamBYOBRequest(s.token, c.byobRequest);
    }
    return c.byobRequest;
  };

  class ReadableByteStreamController {
    #controller;
    static { controllerOf = (value) => (#controller in value ? value.#controller : undefined); }

    constructor(token = undefined, record = undefined) {
      if (token !== s.token) typeError('Illegal constructor');
      this.#controller = record;
    }

    get byobRequest() {
      const request = s.byobRequest(controllerHere(this, 'byobRequest'));
      return request === null ? null : request.self;
    }

    get desiredSize() { return desiredSize(controllerHere(this, 'desiredSize')); }

    close() {
      const c = controllerHere(this, 'close');
      if (c.closeRequested || c.stream.state !== 'readable') typeError('the stream is closed, or errored');
      s.byteClose(c);
    }

    enqueue(chunk) {
      const c = controllerHere(this, 'enqueue');
      if (arguments.length === 0) typeError('enqueue: 1 argument required, but only 0 present');
      const view = viewOf(chunk);
      if (view === undefined) typeError('chunks of a byte stream are views of an ArrayBuffer');
      if (view.byteLength === 0) typeError('the chunk is empty');
      if (c.closeRequested || c.stream.state !== 'readable') typeError('the stream is closed, or errored');
      s.byteEnqueue(c, chunk);
    }

    error(error = undefined) { s.byteError(controllerHere(this, 'error'), error); }
  }
  s.ReadableByteStreamController = ReadableByteStreamController;

  const requestHere = (value, what) => {
    const request = s.isObject(value) ? requestOf(value) : undefined;
    return request === undefined ? typeError(`${what} called on an object that is no ReadableStreamBYOBRequest`) : request;
  };

  class ReadableStreamBYOBRequest {
    #request;
    static { requestOf = (value) => (#request in value ? value.#request : undefined); }

    constructor(token = undefined, record = undefined) {
      if (token !== s.token) typeError('Illegal constructor');
      this.#request = record;
    }

    get view() { return requestHere(this, 'view').view; }

    respond(bytesWritten) {
      const request = requestHere(this, 'respond');
      if (arguments.length === 0) typeError('respond: 1 argument required, but only 0 present');
      const count = s.enforced(bytesWritten, 'bytesWritten', 0);
      if (request.controller === undefined) typeError('the request was answered already');
      if (isDetached(viewOf(request.view).buffer)) typeError('the buffer of the request is detached');
      s.byteRespond(request.controller, count);
    }

    respondWithNewView(view) {
      const request = requestHere(this, 'respondWithNewView');
      if (arguments.length === 0) typeError('respondWithNewView: 1 argument required, but only 0 present');
      const given = viewOf(view);
      if (given === undefined) typeError('the view must be a view of an ArrayBuffer');
      if (request.controller === undefined) typeError('the request was answered already');
      if (isDetached(given.buffer)) typeError('the buffer of the view is detached');
      s.byteRespondWithView(request.controller, view);
    }
  }
  s.ReadableStreamBYOBRequest = ReadableStreamBYOBRequest;
})
