/* ReadableByteStreamController and its ReadableStreamBYOBRequest (Streams Standard, sections 4.7, 4.8, 4.9.5).
 * Owns: bytes that wait, buffers lent for filling. Must not know: readers' classes (readable_byob.js).
 * Buffers are transferred at every border, so that nobody else holds what is filled here. */
import { algorithmOf, enforced, starterOf, TOKEN } from 'jsserve:internal/streams/conversions';
import {
  byteLengthOf,
  copyBytes,
  isDetached,
  makeView,
  newBuffer,
  sliceBuffer,
  transferBuffer,
  UINT8,
  viewOf,
} from 'jsserve:internal/streams/natives';
import { list, push, shift } from 'jsserve:internal/streams/queue';
import {
  fulfillRead,
  hasByobReader,
  hasDefaultReader,
  newReadable,
  pullerOf,
  readableClose,
  readableError,
  waitingReads,
  wrapReadable,
} from 'jsserve:internal/streams/readable_state';
import {
  asInterface,
  newTypeError,
  rangeError,
  resolved,
  then,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

let controllerOf, requestOf;

const clear = (c) => {
  c.pull = c.cancel = undefined;
};
const desiredSize = (c) => {
  if (c.stream.state === 'errored') return null;
  return c.stream.state === 'closed' ? 0 : c.highWaterMark - c.total;
};

const shouldPull = (c) => {
  const { stream } = c;
  if (stream.state !== 'readable' || c.closeRequested || !c.started) return false;
  return (stream.reader !== undefined && waitingReads(stream) > 0) || desiredSize(c) > 0;
};
const { pullIfNeeded, pulled } = pullerOf(shouldPull, (c, error) => byteError(c, error));
export const bytePulled = pulled;

const invalidateRequest = (c) => {
  if (c.byobRequest === null) return;
  c.byobRequest.controller = undefined;
  c.byobRequest.view = null;
  c.byobRequest = null;
};
const resetQueue = (c) => {
  c.queue = list();
  c.total = 0;
};
const clearPending = (c) => {
  invalidateRequest(c);
  c.pending = list();
};
const first = (c) => c.pending.head.value;

const convert = (d) => makeView(d.kind, transferBuffer(d.buffer), d.byteOffset, d.filled / d.elementSize);
const commit = (stream, d) => fulfillRead(stream, convert(d), stream.state === 'closed');
const commitAll = (stream, all) => {
  while (all.length > 0) commit(stream, shift(all));
};

const enqueueChunk = (c, buffer, byteOffset, byteLength) => {
  push(c.queue, { __proto__: null, buffer, byteOffset, byteLength });
  c.total += byteLength;
};
const enqueueCloned = (c, buffer, byteOffset, byteLength) => {
  let copy;
  try {
    copy = sliceBuffer(buffer, byteOffset, byteLength);
  } catch (error) {
    byteError(c, error);
    throw error;
  }
  enqueueChunk(c, copy, 0, byteLength);
};
const enqueueDetached = (c, d) => {
  if (d.filled > 0) enqueueCloned(c, d.buffer, d.byteOffset, d.filled);
  shift(c.pending);
};

/* Moves what is queued into a lent buffer; whether that fulfils its read. */
const fillFromQueue = (c, d) => {
  const most = d.filled + (c.total < d.byteLength - d.filled ? c.total : d.byteLength - d.filled);
  let left = most - d.filled;
  const aligned = most - (most % d.elementSize);
  const ready = aligned >= d.minimumFill;
  if (ready) left = aligned - d.filled;
  while (left > 0) {
    const head = c.queue.head.value;
    const count = left < head.byteLength ? left : head.byteLength;
    copyBytes(d.buffer, d.byteOffset + d.filled, head.buffer, head.byteOffset, count);
    if (head.byteLength === count) shift(c.queue);
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
  const done = list();
  while (c.pending.length > 0 && c.total > 0) {
    const d = first(c);
    if (!fillFromQueue(c, d)) break;
    push(done, shift(c.pending));
  }
  return done;
};
const drained = (c) => {
  if (c.total === 0 && c.closeRequested) {
    clear(c);
    readableClose(c.stream);
  } else {
    pullIfNeeded(c);
  }
};
const giveFromQueue = (c, request) => {
  const { buffer, byteOffset, byteLength } = shift(c.queue);
  c.total -= byteLength;
  drained(c);
  request.chunk(makeView(UINT8, buffer, byteOffset, byteLength));
};

export const byteClose = (c) => {
  if (c.closeRequested || c.stream.state !== 'readable') return;
  if (c.total > 0) {
    c.closeRequested = true;
    return;
  }
  if (c.pending.length > 0 && first(c).filled % first(c).elementSize !== 0) {
    const error = newTypeError('closed in the middle of an element');
    byteError(c, error);
    throw error;
  }
  clear(c);
  readableClose(c.stream);
};
export const byteError = (c, error) => {
  if (c.stream.state !== 'readable') return;
  clearPending(c);
  resetQueue(c);
  clear(c);
  readableError(c.stream, error);
};
export const byteEnqueue = (c, view) => {
  const { stream } = c;
  if (c.closeRequested || stream.state !== 'readable') return;
  const { buffer, byteOffset, byteLength } = viewOf(view);
  if (isDetached(buffer)) typeError('the buffer of the chunk is detached');
  const bytes = transferBuffer(buffer);
  if (c.pending.length > 0) {
    const d = first(c);
    if (isDetached(d.buffer)) typeError('the buffer to fill is detached');
    invalidateRequest(c);
    d.buffer = transferBuffer(d.buffer);
    if (d.reader === 'none') enqueueDetached(c, d);
  }
  if (hasDefaultReader(stream)) {
    while (waitingReads(stream) > 0 && c.total > 0) giveFromQueue(c, shift(stream.reader.requests));
    if (waitingReads(stream) === 0) enqueueChunk(c, bytes, byteOffset, byteLength);
    else {
      if (c.pending.length > 0) shift(c.pending);
      fulfillRead(stream, makeView(UINT8, bytes, byteOffset, byteLength), false);
    }
  } else {
    enqueueChunk(c, bytes, byteOffset, byteLength);
    if (hasByobReader(stream)) commitAll(stream, processPending(c));
  }
  pullIfNeeded(c);
};

/* The chunk of a source of ours, a Uint8Array whose buffer nobody else has: a reader that waits gets it as it is.
 * `alone`: no job of the app's can come between the chunk and what follows from it. */
export const byteGive = (c, view, alone) => {
  const { stream } = c;
  const { reader } = stream;
  if (
    c.total > 0 ||
    c.pending.length > 0 ||
    c.closeRequested ||
    stream.state !== 'readable' ||
    reader === undefined ||
    reader.byob ||
    reader.requests.length === 0
  ) {
    byteEnqueue(c, view);
    return;
  }
  const request = shift(reader.requests);
  if (alone && request.alone !== undefined) request.alone(view);
  else request.chunk(view);
  pullIfNeeded(c);
};

/* A read into a view of the reader's. */
export const pullInto = (c, view, min, request) => {
  const { stream } = c;
  const { kind, elementSize, byteOffset, byteLength, buffer } = viewOf(view);
  let lent;
  try {
    lent = transferBuffer(buffer);
  } catch (error) {
    request.error(error);
    return;
  }
  const d = {
    __proto__: null,
    buffer: lent,
    bufferByteLength: byteLengthOf(lent),
    byteOffset,
    byteLength,
    filled: 0,
    minimumFill: min * elementSize,
    elementSize,
    kind,
    reader: 'byob',
  };
  if (c.pending.length > 0) {
    push(c.pending, d);
    push(stream.reader.requests, request);
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
      byteError(c, error);
      request.error(error);
      return;
    }
  }
  push(c.pending, d);
  push(stream.reader.requests, request);
  pullIfNeeded(c);
};

/* Answers to a lent buffer. */
const respondClosed = (c, d) => {
  if (d.reader === 'none') shift(c.pending);
  if (!hasByobReader(c.stream)) return;
  const done = list();
  while (done.length < waitingReads(c.stream)) push(done, shift(c.pending));
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
  shift(c.pending);
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
  if (c.stream.state === 'closed') respondClosed(c, d);
  else respondReadable(c, d, count);
  pullIfNeeded(c);
};
const checkCount = (c, count) => {
  if (c.stream.state === 'closed') {
    if (count !== 0) typeError('the stream is closed: only 0 bytes can be answered');
  } else if (count === 0) {
    typeError('0 bytes can be answered only once the stream is closed');
  }
};
export const byteRespond = (c, count) => {
  const d = first(c);
  checkCount(c, count);
  if (d.filled + count > d.byteLength) rangeError('more bytes than there is room for');
  d.buffer = transferBuffer(d.buffer);
  respond(c, count);
};
export const byteRespondWithView = (c, view) => {
  const d = first(c);
  const { buffer, byteOffset, byteLength } = viewOf(view);
  checkCount(c, byteLength);
  if (d.byteOffset + d.filled !== byteOffset) rangeError('the view begins at another place');
  if (d.bufferByteLength !== byteLengthOf(buffer)) rangeError('the buffer has another length');
  if (d.filled + byteLength > d.byteLength) rangeError('more bytes than there is room for');
  d.buffer = transferBuffer(buffer);
  respond(c, byteLength);
};

/* Lends a buffer of ours, for a reader that brings none. */
const lendOwn = (c, length) => {
  push(c.pending, {
    __proto__: null,
    buffer: newBuffer(length),
    bufferByteLength: length,
    byteOffset: 0,
    byteLength: length,
    filled: 0,
    minimumFill: 1,
    elementSize: 1,
    kind: UINT8,
    reader: 'default',
  });
};
export const setUpByteController = (stream, start, pull, cancel, highWaterMark, autoAllocate) => {
  const c = {
    __proto__: null,
    self: undefined,
    bytes: true,
    stream,
    queue: list(),
    total: 0,
    started: false,
    closeRequested: false,
    pullAgain: false,
    pulling: false,
    byobRequest: null,
    pending: list(),
    starting: undefined,
    highWaterMark,
    pull,
    cancel,
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
        try {
          lendOwn(c, autoAllocate);
        } catch (error) {
          request.error(error);
          return;
        }
      }
      push(stream.reader.requests, request);
      pullIfNeeded(c);
    },
    releaseSteps: () => {
      if (c.pending.length === 0) return;
      const d = first(c);
      d.reader = 'none';
      c.pending = list();
      push(c.pending, d);
    },
  };
  stream.controller = c;
  c.starting = then(
    resolved(start(c)),
    () => {
      c.started = true;
      pullIfNeeded(c);
    },
    (error) => byteError(c, error),
  );
};

export const setUpByteSource = (stream, underlying, given, highWaterMark) => {
  if (given.autoAllocateChunkSize === 0) typeError('autoAllocateChunkSize must be greater than 0');
  let c;
  const self = () => (c.self ??= new ReadableByteStreamController(TOKEN, c));
  const pull = algorithmOf(underlying, given.pull, 1);
  const start = starterOf(underlying, given.start, self);
  setUpByteController(
    stream,
    (record) => {
      c = record;
      return start();
    },
    given.pull === undefined ? pull : () => pull(self()),
    algorithmOf(underlying, given.cancel, 1),
    highWaterMark,
    given.autoAllocateChunkSize,
  );
};

const controllerHere = (value, what) => {
  const c = isObject(value) ? controllerOf(value) : undefined;
  return c === undefined
    ? typeError(`${what} called on an object that is no ReadableByteStreamController`)
    : c;
};
/* The request for the buffer that is lent first, if there is one. */
export const byobRequestOf = (c) => {
  if (c.byobRequest === null && c.pending.length > 0) {
    const d = first(c);
    const view = makeView(UINT8, d.buffer, d.byteOffset + d.filled, d.byteLength - d.filled);
    c.byobRequest = { __proto__: null, self: null, controller: c, view };
    c.byobRequest.self = new ReadableStreamBYOBRequest(TOKEN, c.byobRequest);
  }
  return c.byobRequest;
};

export class ReadableByteStreamController {
  #controller;
  static {
    controllerOf = (value) => (#controller in value ? value.#controller : undefined);
  }

  constructor(token = undefined, record = undefined) {
    if (token !== TOKEN) typeError('Illegal constructor');
    this.#controller = record;
  }

  get byobRequest() {
    const request = byobRequestOf(controllerHere(this, 'byobRequest'));
    return request === null ? null : request.self;
  }

  get desiredSize() {
    return desiredSize(controllerHere(this, 'desiredSize'));
  }

  close() {
    const c = controllerHere(this, 'close');
    if (c.closeRequested || c.stream.state !== 'readable') typeError('the stream is closed, or errored');
    byteClose(c);
  }

  enqueue(chunk) {
    const c = controllerHere(this, 'enqueue');
    requireArguments('enqueue', 1, arguments.length);
    const view = viewOf(chunk);
    if (view === undefined) typeError('chunks of a byte stream are views of an ArrayBuffer');
    if (view.byteLength === 0) typeError('the chunk is empty');
    if (c.closeRequested || c.stream.state !== 'readable') typeError('the stream is closed, or errored');
    byteEnqueue(c, chunk);
  }

  error(error = undefined) {
    byteError(controllerHere(this, 'error'), error);
  }
}

const requestHere = (value, what) => {
  const request = isObject(value) ? requestOf(value) : undefined;
  return request === undefined
    ? typeError(`${what} called on an object that is no ReadableStreamBYOBRequest`)
    : request;
};

export class ReadableStreamBYOBRequest {
  #request;
  static {
    requestOf = (value) => (#request in value ? value.#request : undefined);
  }

  constructor(token = undefined, record = undefined) {
    if (token !== TOKEN) typeError('Illegal constructor');
    this.#request = record;
  }

  get view() {
    return requestHere(this, 'view').view;
  }

  respond(bytesWritten) {
    const request = requestHere(this, 'respond');
    requireArguments('respond', 1, arguments.length);
    const count = enforced(bytesWritten, 'bytesWritten', 0);
    if (request.controller === undefined) typeError('the request was answered already');
    if (isDetached(viewOf(request.view).buffer)) typeError('the buffer of the request is detached');
    byteRespond(request.controller, count);
  }

  respondWithNewView(view) {
    const request = requestHere(this, 'respondWithNewView');
    requireArguments('respondWithNewView', 1, arguments.length);
    const given = viewOf(view);
    if (given === undefined) typeError('the view must be a view of an ArrayBuffer');
    if (request.controller === undefined) typeError('the request was answered already');
    if (isDetached(given.buffer)) typeError('the buffer of the view is detached');
    byteRespondWithView(request.controller, view);
  }
}

/* CreateReadableByteStream. */
export const createReadableByteStream = (
  start,
  pull,
  cancel,
  highWaterMark = 0,
  autoAllocate = undefined,
) => {
  const stream = newReadable();
  wrapReadable(stream);
  setUpByteController(stream, start, pull, cancel, highWaterMark, autoAllocate);
  return stream;
};

asInterface(ReadableByteStreamController, 'ReadableByteStreamController');
asInterface(ReadableStreamBYOBRequest, 'ReadableStreamBYOBRequest');
