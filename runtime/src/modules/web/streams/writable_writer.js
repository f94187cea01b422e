/* WritableStreamDefaultWriter (Streams Standard, sections 5.3 and 5.5.3).
 * Owns: the class. Must not know: the class of streams. */
import { TOKEN } from 'jsserve:internal/streams/conversions';
import { fastWrite } from 'jsserve:internal/streams/natives';
import { enqueueSized, push } from 'jsserve:internal/streams/queue';
import {
  advanceWrites,
  chunkSize,
  closeWritable,
  hasBackpressure,
  mayWriteDirectly,
  newSlot,
  rejectSlot,
  settledSlot,
  shutWrites,
  updateBackpressure,
  writableAbort,
  writableCloseQueued,
  writableDesiredSize,
  writableErrorIfNeeded,
  writableLocked,
  writableOf,
  writeDirectly,
} from 'jsserve:internal/streams/writable_state';
import {
  asInterface,
  deferred,
  handled,
  newTypeError,
  rejected,
  resolved,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

let writerOf;

/* The writer. */
const newWriter = (stream) => {
  if (writableLocked(stream)) typeError('the stream is locked to a writer already');
  const writer = {
    __proto__: null,
    self: null,
    stream,
    ready: undefined,
    closed: undefined,
    fast: stream.fast,
  };
  stream.writer = writer;
  const { state } = stream;
  const broken = () => {
    const promise = rejected(stream.storedError);
    handled(promise);
    return settledSlot(promise);
  };
  if (state === 'writable') {
    writer.ready =
      !writableCloseQueued(stream) && stream.backpressure ? newSlot() : settledSlot(resolved(undefined));
    writer.closed = newSlot();
  } else if (state === 'closed') {
    writer.ready = settledSlot(resolved(undefined));
    writer.closed = settledSlot(resolved(undefined));
  } else {
    writer.ready = broken();
    writer.closed = state === 'erroring' ? newSlot() : broken();
  }
  return writer;
};
export const acquireWriter = (stream) => {
  const writer = newWriter(stream);
  writer.self = new WritableStreamDefaultWriter(TOKEN, writer);
  return writer;
};
export const writerWrite = (writer, chunk) => {
  const { stream } = writer;
  shutWrites(stream);
  const size = chunkSize(stream.controller, chunk);
  if (stream !== writer.stream) return rejected(newTypeError('the writer was released'));
  if (stream.state === 'errored') return rejected(stream.storedError);
  if (writableCloseQueued(stream) || stream.state === 'closed') {
    return rejected(newTypeError('the stream is closing, or closed'));
  }
  if (stream.state === 'erroring') return rejected(stream.storedError);
  const c = stream.controller;
  if (mayWriteDirectly(c, size)) {
    return writer.fast === undefined
      ? writeDirectly(c, chunk, size)
      : (fastWrite(writer.fast, chunk, true) ?? writeDirectly(c, chunk, size));
  }
  const request = deferred();
  push(stream.writes, request);
  try {
    enqueueSized(c.queue, chunk, size);
  } catch (error) {
    writableErrorIfNeeded(c, error);
    return request.promise;
  }
  if (!writableCloseQueued(stream) && stream.state === 'writable')
    updateBackpressure(stream, hasBackpressure(c));
  advanceWrites(c);
  return request.promise;
};
export const writerCloseForPipe = (writer) => {
  const { stream } = writer;
  if (writableCloseQueued(stream) || stream.state === 'closed') return resolved(undefined);
  return stream.state === 'errored' ? rejected(stream.storedError) : closeWritable(stream);
};
export const releaseWriter = (writer) => {
  shutWrites(writer.stream);
  writer.fast = undefined;
  const error = newTypeError('the writer was released');
  rejectSlot(writer.ready, error);
  rejectSlot(writer.closed, error);
  writer.stream.writer = undefined;
  writer.stream = undefined;
};
const writerHere = (value, what) => {
  const writer = isObject(value) ? writerOf(value) : undefined;
  return writer === undefined
    ? typeError(`${what} called on an object that is no WritableStreamDefaultWriter`)
    : writer;
};
const streamHere = (writer) =>
  writer.stream === undefined ? typeError('the writer was released') : writer.stream;

export class WritableStreamDefaultWriter {
  #writer;
  static {
    writerOf = (value) => (#writer in value ? value.#writer : undefined);
  }

  constructor(stream, record = undefined) {
    if (stream === TOKEN) {
      this.#writer = record;
      return;
    }
    const of = isObject(stream) ? writableOf(stream) : undefined;
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
    shutWrites(stream);
    if (stream.state === 'errored' || stream.state === 'erroring') return null;
    return stream.state === 'closed' ? 0 : writableDesiredSize(stream.controller);
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
      return writableAbort(streamHere(writerHere(this, 'abort')), reason);
    } catch (error) {
      return rejected(error);
    }
  }

  close() {
    try {
      const stream = streamHere(writerHere(this, 'close'));
      if (writableCloseQueued(stream)) typeError('the stream is closing already');
      return closeWritable(stream);
    } catch (error) {
      return rejected(error);
    }
  }

  releaseLock() {
    const writer = writerHere(this, 'releaseLock');
    if (writer.stream !== undefined) releaseWriter(writer);
  }

  write(chunk = undefined) {
    try {
      const isWriter = typeof this === 'object' && this !== null && #writer in this;
      const writer = isWriter ? this.#writer : writerHere(this, 'write');
      if (writer.fast !== undefined) {
        const promise = fastWrite(writer.fast, chunk, false);
        if (promise !== undefined) return promise;
      }
      streamHere(writer);
      return writerWrite(writer, chunk);
    } catch (error) {
      return rejected(error);
    }
  }
}

asInterface(WritableStreamDefaultWriter, 'WritableStreamDefaultWriter');
