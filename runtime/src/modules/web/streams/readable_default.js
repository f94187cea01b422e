/* ReadableStreamDefaultReader and ReadableStreamDefaultController (Streams Standard, sections 4.3, 4.4, 4.6
 * and 4.9.3 to 4.9.4).
 * Owns: the two classes, what all readers share. Must not know: byte streams. */
import { algorithmOf, callbackOf, enforced, starterOf, TOKEN } from 'jsserve:internal/streams/conversions';
import { fastRead } from 'jsserve:internal/streams/natives';
import {
  dequeueSized,
  enqueueSized,
  list,
  push,
  resetQueue,
  sizedQueue,
} from 'jsserve:internal/streams/queue';
import {
  errorRequests,
  fulfillRead,
  isReadableStream,
  newReadable,
  pullerOf,
  readableCancel,
  readableClose,
  readableError,
  readableLocked,
  readableOf,
  shutReads,
  waitingReads,
  wrapReadable,
} from 'jsserve:internal/streams/readable_state';
import {
  asInterface,
  deferred,
  fail,
  fulfil,
  handled,
  newAnswer,
  newTypeError,
  promised,
  rejected,
  resolved,
  then,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

let readerOf, controllerOf;

/* The request of a read whose promise comes from an answer. */
const answered = (answer) => ({
  __proto__: null,
  chunk: (value) => fulfil(answer, { value, done: false }),
  close: () => fulfil(answer, { value: undefined, done: true }),
  error: (error) => fail(answer, error),
});

/* Readers, of both kinds. */
export const attachReader = (stream, byob) => {
  if (readableLocked(stream)) typeError('the stream is locked to a reader already');
  const reader = {
    __proto__: null,
    self: null,
    stream,
    byob,
    requests: list(),
    closed: undefined,
    fast: byob ? undefined : stream.fast,
    requestFor: answered,
  };
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
const release = (reader) => {
  const { stream } = reader;
  shutReads(stream);
  reader.fast = undefined;
  const error = newTypeError('the reader was released');
  if (stream.state === 'readable') reader.closed.reject(error);
  else reader.closed = { __proto__: null, promise: rejected(error) };
  handled(reader.closed.promise);
  stream.controller.releaseSteps();
  stream.reader = undefined;
  reader.stream = undefined;
  errorRequests(reader, newTypeError('the reader was released'));
};
export const releaseDefault = release;
export const releaseByob = release;
export const readerCancel = (reader, reason) =>
  reader.stream === undefined
    ? rejected(newTypeError('the reader was released'))
    : readableCancel(reader.stream, reason);

export const acquireDefaultReader = (stream) => {
  const reader = attachReader(stream, false);
  reader.self = new ReadableStreamDefaultReader(TOKEN, reader);
  return reader;
};
export const readDefault = (reader, request) => {
  const { stream } = reader;
  shutReads(stream);
  stream.disturbed = true;
  if (stream.state === 'closed') request.close();
  else if (stream.state === 'errored') request.error(stream.storedError);
  else stream.controller.pullSteps(request);
};

/* A promise of the next read's result by the short way, which is open from now on; undefined where a stream is in no
 * state for that, or there is no chunk but an end. */
export const openReads = ({ fast, stream, requests }) => {
  if (fast === undefined || stream.state !== 'readable' || requests.length > 0) return undefined;
  const c = stream.controller;
  if (!c.started || c.pulling || c.closeRequested || c.total > 0 || c.pending.length > 0) return undefined;
  stream.disturbed = true;
  return fastRead(fast, true);
};

const readerHere = (value, what) => {
  const reader = isObject(value) ? readerOf(value) : undefined;
  return reader === undefined
    ? typeError(`${what} called on an object that is no ReadableStreamDefaultReader`)
    : reader;
};

export class ReadableStreamDefaultReader {
  #reader;
  static {
    readerOf = (value) => (#reader in value ? value.#reader : undefined);
  }

  constructor(stream, record = undefined) {
    if (stream === TOKEN) {
      this.#reader = record;
      return;
    }
    const of = isReadableStream(stream) ? readableOf(stream) : typeError('a reader needs a ReadableStream');
    this.#reader = attachReader(of, false);
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
      return readerCancel(readerHere(this, 'cancel'), reason);
    } catch (error) {
      return rejected(error);
    }
  }

  read() {
    try {
      const isReader = typeof this === 'object' && this !== null && #reader in this;
      const reader = isReader ? this.#reader : readerHere(this, 'read');
      if (reader.fast !== undefined) {
        const promise = fastRead(reader.fast, false) ?? openReads(reader);
        if (promise !== undefined) return promise;
      }
      if (reader.stream === undefined) typeError('the reader was released');
      const answer = newAnswer();
      const promise = promised(answer);
      readDefault(reader, answered(answer));
      return promise;
    } catch (error) {
      return rejected(error);
    }
  }

  releaseLock() {
    const reader = readerHere(this, 'releaseLock');
    if (reader.stream !== undefined) release(reader);
  }
}

/* The controller. */
const clear = (c) => {
  c.pull = c.cancel = c.size = undefined;
};
const canEnqueue = (c) => !c.closeRequested && c.stream.state === 'readable';
export const defaultCanEnqueue = canEnqueue;
const desiredSize = (c) => {
  if (c.stream.state === 'errored') return null;
  return c.stream.state === 'closed' ? 0 : c.highWaterMark - c.queue.total;
};
export const defaultDesiredSize = desiredSize;

const shouldPull = (c) =>
  canEnqueue(c) &&
  c.started &&
  ((readableLocked(c.stream) && waitingReads(c.stream) > 0) || desiredSize(c) > 0);
export const defaultShouldPull = shouldPull;
const { pullIfNeeded } = pullerOf(shouldPull, (c, error) => defaultError(c, error));

export const defaultClose = (c) => {
  if (!canEnqueue(c)) return;
  c.closeRequested = true;
  if (c.queue.list.length === 0) {
    clear(c);
    readableClose(c.stream);
  }
};
export const defaultEnqueue = (c, chunk) => {
  if (!canEnqueue(c)) return;
  if (readableLocked(c.stream) && waitingReads(c.stream) > 0) {
    fulfillRead(c.stream, chunk, false);
  } else {
    try {
      enqueueSized(c.queue, chunk, c.size(chunk));
    } catch (error) {
      defaultError(c, error);
      throw error;
    }
  }
  pullIfNeeded(c);
};
export const defaultError = (c, error) => {
  if (c.stream.state !== 'readable') return;
  resetQueue(c.queue);
  clear(c);
  readableError(c.stream, error);
};

export const setUpDefaultController = (stream, start, pull, cancel, highWaterMark, size) => {
  const c = {
    __proto__: null,
    self: undefined,
    bytes: false,
    stream,
    queue: sizedQueue(),
    started: false,
    closeRequested: false,
    pullAgain: false,
    pulling: false,
    highWaterMark,
    size,
    pull,
    cancel,
    cancelSteps: (reason) => {
      resetQueue(c.queue);
      const result = c.cancel(reason);
      clear(c);
      return result;
    },
    pullSteps: (request) => {
      if (c.queue.list.length === 0) {
        push(stream.reader.requests, request);
        pullIfNeeded(c);
        return;
      }
      const chunk = dequeueSized(c.queue);
      if (c.closeRequested && c.queue.list.length === 0) {
        clear(c);
        readableClose(stream);
      } else {
        pullIfNeeded(c);
      }
      request.chunk(chunk);
    },
    releaseSteps: () => undefined,
  };
  stream.controller = c;
  then(
    resolved(start(c)),
    () => {
      c.started = true;
      pullIfNeeded(c);
    },
    (error) => defaultError(c, error),
  );
};

/* UnderlyingSource, its members read in the order of Web IDL. */
export const convertSource = (underlying) => {
  const given = { __proto__: null };
  if (underlying === null) return given;
  const auto = underlying.autoAllocateChunkSize;
  if (auto !== undefined) given.autoAllocateChunkSize = enforced(auto, 'autoAllocateChunkSize', 0);
  given.cancel = callbackOf(underlying, 'cancel');
  given.pull = callbackOf(underlying, 'pull');
  given.start = callbackOf(underlying, 'start');
  const type = underlying.type;
  if (type !== undefined) {
    given.type = `${type}`;
    if (given.type !== 'bytes')
      typeError(`'${given.type}' is not a type of streams: the only one is "bytes"`);
  }
  return given;
};
export const setUpDefaultSource = (stream, underlying, given, highWaterMark, size) => {
  let c;
  const self = () => (c.self ??= new ReadableStreamDefaultController(TOKEN, c));
  const pull = algorithmOf(underlying, given.pull, 1);
  const start = starterOf(underlying, given.start, self);
  setUpDefaultController(
    stream,
    (record) => {
      c = record;
      return start();
    },
    given.pull === undefined ? pull : () => pull(self()),
    algorithmOf(underlying, given.cancel, 1),
    highWaterMark,
    size,
  );
};

const controllerHere = (value, what) => {
  const c = isObject(value) ? controllerOf(value) : undefined;
  return c === undefined
    ? typeError(`${what} called on an object that is no ReadableStreamDefaultController`)
    : c;
};

export class ReadableStreamDefaultController {
  #controller;
  static {
    controllerOf = (value) => (#controller in value ? value.#controller : undefined);
  }

  constructor(token = undefined, record = undefined) {
    if (token !== TOKEN) typeError('Illegal constructor');
    this.#controller = record;
  }

  get desiredSize() {
    return desiredSize(controllerHere(this, 'desiredSize'));
  }

  close() {
    const c = controllerHere(this, 'close');
    if (!canEnqueue(c)) typeError('the stream is closed, or errored');
    defaultClose(c);
  }

  enqueue(chunk = undefined) {
    const c = controllerHere(this, 'enqueue');
    if (!canEnqueue(c)) typeError('the stream is closed, or errored');
    defaultEnqueue(c, chunk);
  }

  error(error = undefined) {
    defaultError(controllerHere(this, 'error'), error);
  }
}

/* CreateReadableStream: algorithms of our own; `start` has run. */
export const createReadable = (start, pull, cancel, highWaterMark = 1, size = () => 1) => {
  const stream = newReadable();
  wrapReadable(stream);
  setUpDefaultController(stream, start, pull, cancel, highWaterMark, size);
  return stream;
};

asInterface(ReadableStreamDefaultReader, 'ReadableStreamDefaultReader');
asInterface(ReadableStreamDefaultController, 'ReadableStreamDefaultController');
