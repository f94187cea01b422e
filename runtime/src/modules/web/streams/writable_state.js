/* What all writable streams have in common (Streams Standard, sections 5.5.2 to 5.5.4).
 * Owns: the records of a stream and its controller, their states. Must not know: public objects, writers' classes. */
import { abortSignal, shutWrites as shut } from 'jsserve:internal/streams/natives';
import { stopPassage } from 'jsserve:internal/streams/passages';
import {
  dequeueSized,
  enqueueSized,
  list,
  peekSized,
  resetQueue,
  shift,
  sizedQueue,
} from 'jsserve:internal/streams/queue';
import {
  deferred,
  fail,
  fulfil,
  handled,
  job,
  newAnswer,
  newTypeError,
  promised,
  rejected,
  resolved,
  then,
} from 'jsserve:internal/webidl/natives';

/** The record of a public stream; undefined for another object. */
export let writableOf;
export const useWritableStream = (recordOf) => {
  writableOf = recordOf;
};

/* A promise that knows whether it is settled. */
export const newSlot = () => ({ __proto__: null, pending: true, ...deferred() });
export const settledSlot = (promise) => ({ __proto__: null, pending: false, promise });
export const resolveSlot = (it) => {
  it.pending = false;
  it.resolve(undefined);
};
export const rejectSlot = (it, error) => {
  if (it.pending) {
    it.pending = false;
    it.reject(error);
  } else {
    it.promise = rejected(error);
  }
  handled(it.promise);
};

export const writableLocked = (stream) => stream.writer !== undefined;

export const newWritable = () => ({
  __proto__: null,
  self: null,
  state: 'writable',
  storedError: undefined,
  writer: undefined,
  controller: undefined,
  writes: list(),
  writing: undefined,
  closeRequest: undefined,
  closing: undefined,
  abortRequest: undefined,
  backpressure: false,
  drain: undefined,
  owner: undefined,
  pass: undefined,
  fast: undefined,
});
/* The short way (fast.rs) is open while nothing is queued or in flight but there. Before anything else is to be it is
 * shut: the write in flight there becomes one that the queue's total counts. `directWritten` hears of its end. */
export const shutWrites = (stream) => {
  if (stream.fast === undefined) return;
  const flight = shut(stream.fast);
  if (flight === undefined) return;
  const { controller } = stream;
  const direct = directOf(flight.answer);
  controller.direct = direct;
  direct.size = flight.size;
  controller.queue.total += flight.size;
  stream.writing = direct;
};
export const writableCloseQueued = (stream) =>
  stream.closeRequest !== undefined || stream.closing !== undefined;

export const writableAbort = (stream, reason) => {
  if (stream.state === 'closed' || stream.state === 'errored') return resolved(undefined);
  shutWrites(stream);
  const c = stream.controller;
  c.abortReason = { __proto__: null, reason };
  if (c.signal !== undefined) abortSignal(c.signal, reason);
  if (stream.state === 'closed' || stream.state === 'errored') return resolved(undefined);
  if (stream.abortRequest !== undefined) return stream.abortRequest.promise;
  const erroring = stream.state === 'erroring';
  const request = { __proto__: null, reason: erroring ? undefined : reason, erroring, ...deferred() };
  stream.abortRequest = request;
  if (!erroring) startErroring(stream, reason);
  return request.promise;
};

export const closeWritable = (stream) => {
  if (stream.state === 'closed' || stream.state === 'errored') {
    return rejected(newTypeError('the stream is closed, or errored'));
  }
  shutWrites(stream);
  const request = deferred();
  stream.closeRequest = request;
  haltPass(stream);
  const { writer } = stream;
  if (writer !== undefined && stream.backpressure && stream.state === 'writable') resolveSlot(writer.ready);
  enqueueSized(stream.controller.queue, closing, 0);
  advanceWrites(stream.controller);
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
  shutWrites(stream);
  stream.state = 'erroring';
  stream.storedError = reason;
  if (stream.writer !== undefined) rejectSlot(stream.writer.ready, reason);
  haltPass(stream);
  const inFlight = stream.writing !== undefined || stream.closing !== undefined;
  if (!inFlight && stream.controller.started) finishErroring(stream);
};
const finishErroring = (stream) => {
  stream.state = 'errored';
  resetQueue(stream.controller.queue);
  const { writes } = stream;
  stream.writes = list();
  while (writes.length > 0) shift(writes).reject(stream.storedError);
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
  then(
    result,
    () => {
      request.resolve(undefined);
      rejectClosed(stream);
    },
    (error) => {
      request.reject(error);
      rejectClosed(stream);
    },
  );
};
const failed = (stream, error) => {
  if (stream.state === 'writable') startErroring(stream, error);
  else finishErroring(stream);
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
export const updateBackpressure = (stream, backpressure) => {
  const { writer } = stream;
  if (writer !== undefined && backpressure !== stream.backpressure) {
    if (backpressure) writer.ready = newSlot();
    else resolveSlot(writer.ready);
  }
  stream.backpressure = backpressure;
};

/* The controller. */
const closing = { __proto__: null };
const clear = (c) => {
  c.write = c.close = c.abort = c.size = undefined;
};
export const writableDesiredSize = (c) => c.highWaterMark - c.queue.total;
export const hasBackpressure = (c) => writableDesiredSize(c) <= 0;
export const errorNow = (c, error) => {
  clear(c);
  startErroring(c.stream, error);
};
export const writableErrorIfNeeded = (c, error) => {
  if (c.stream.state === 'writable') errorNow(c, error);
};

export const advanceWrites = (c) => {
  const { stream } = c;
  if (!c.started || stream.writing !== undefined) return;
  if (stream.state === 'erroring') {
    finishErroring(stream);
    return;
  }
  if (c.queue.list.length === 0) return;
  const value = peekSized(c.queue);
  if (value === closing) processClose(c);
  else processWrite(c, value);
};
const processClose = (c) => {
  const { stream } = c;
  stream.closing = stream.closeRequest;
  stream.closeRequest = undefined;
  dequeueSized(c.queue);
  const result = c.close();
  clear(c);
  then(
    result,
    () => finishClose(stream),
    (error) => failClose(stream, error),
  );
};
const written = (c, dequeue) => {
  const { stream } = c;
  stream.writing.resolve(undefined);
  stream.writing = undefined;
  const { state } = stream;
  dequeue(c);
  if (!writableCloseQueued(stream) && state === 'writable') updateBackpressure(stream, hasBackpressure(c));
  advanceWrites(c);
};
const writeFailed = (c, error) => {
  const { stream } = c;
  if (stream.state === 'writable') clear(c);
  stream.writing.reject(error);
  stream.writing = undefined;
  failed(stream, error);
};
/* Writes the chunk that `stream.writing` is for. A sink of ours gives no promise where it has written. */
const passChunk = (c, chunk, dequeue) => {
  const write = c.write(chunk);
  if (write === undefined) job(written, c, dequeue);
  else
    then(
      write,
      () => written(c, dequeue),
      (error) => writeFailed(c, error),
    );
};
const dequeueFirst = (c) => {
  dequeueSized(c.queue);
};
const processWrite = (c, chunk) => {
  const { stream } = c;
  stream.writing = shift(stream.writes);
  passChunk(c, chunk, dequeueFirst);
};
/* A chunk that finds nothing before it goes to the sink without a place in the queue, whose total counts it. The
 * promise comes from the stream's one `direct` answer: there is one such write at a time. */
const uncount = (c) => {
  const { queue, direct } = c;
  // As dequeueSized does it; an error may have emptied the queue.
  queue.total -= direct.size;
  if (queue.total < 0) queue.total = 0;
};
export const directWritten = (c) => written(c, uncount);
const directOf = (answer) => ({
  __proto__: null,
  answer,
  size: 0,
  resolve: (value) => fulfil(answer, value),
  reject: (error) => fail(answer, error),
});
export const mayWriteDirectly = (c, size) =>
  c.started &&
  c.stream.state === 'writable' &&
  c.stream.writing === undefined &&
  c.queue.list.length === 0 &&
  c.stream.pass === undefined &&
  size >= 0 &&
  size !== Infinity;
export const writeDirectly = (c, chunk, size) => {
  const { stream } = c;
  c.direct ??= directOf(newAnswer());
  const { direct } = c;
  const promise = promised(direct.answer);
  direct.size = size;
  c.queue.total += size;
  stream.writing = direct;
  updateBackpressure(stream, hasBackpressure(c));
  passChunk(c, chunk, uncount);
  return promise;
};
/* Bytes that native code moves into the sink (pipe.js): it moves no more, and what it holds is a write in flight. */
export const haltPass = (stream) => {
  const { pass } = stream;
  if (pass === undefined) return;
  stream.pass = undefined;
  if (stopPassage(pass.passage)) stream.writing = pass.written;
  else pass.written.resolve(undefined);
};
/* All is moved, or the sink has failed. */
export const passEnded = (stream, pass, failedWith) => {
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
  if (failedWith === undefined) advanceWrites(stream.controller);
  else failed(stream, failedWith.error);
};
export const chunkSize = (c, chunk) => {
  if (c.size === undefined) return 1;
  try {
    return c.size(chunk);
  } catch (error) {
    writableErrorIfNeeded(c, error);
    return 1;
  }
};

export const setUpWritableController = (stream, start, write, close, abort, highWaterMark, size) => {
  const c = {
    __proto__: null,
    self: undefined,
    stream,
    queue: sizedQueue(),
    started: false,
    highWaterMark,
    size,
    write,
    close,
    abort,
    signal: undefined,
    abortReason: undefined,
    direct: undefined,
    starting: undefined,
  };
  stream.controller = c;
  updateBackpressure(stream, hasBackpressure(c));
  c.starting = then(
    resolved(start(c)),
    () => {
      c.started = true;
      advanceWrites(c);
    },
    (error) => {
      c.started = true;
      failed(stream, error);
    },
  );
};
