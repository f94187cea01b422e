/* ReadableStreamBYOBReader (Streams Standard, section 4.5).
 * Owns: the class. Must not know: how bytes are queued (readable_byte.js). */
import { enforced, TOKEN } from 'jsserve:internal/streams/conversions';
import { byteLengthOf, isDetached, viewOf } from 'jsserve:internal/streams/natives';
import { pullInto } from 'jsserve:internal/streams/readable_byte';
import { attachReader, readerCancel, releaseByob } from 'jsserve:internal/streams/readable_default';
import { isReadableStream, readableLocked, readableOf } from 'jsserve:internal/streams/readable_state';
import { asInterface, deferred, rangeError, rejected, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

let readerOf;

export const acquireByobReader = (stream) => {
  const reader = newReader(stream);
  reader.self = new ReadableStreamBYOBReader(TOKEN, reader);
  return reader;
};
const newReader = (stream) => {
  if (readableLocked(stream)) typeError('the stream is locked to a reader already');
  if (!stream.controller.bytes) typeError('only byte streams fill buffers of their reader');
  return attachReader(stream, true);
};
export const readByob = (reader, view, min, request) => {
  const { stream } = reader;
  stream.disturbed = true;
  if (stream.state === 'errored') request.error(stream.storedError);
  else pullInto(stream.controller, view, min, request);
};
const here = (value, what) => {
  const reader = isObject(value) ? readerOf(value) : undefined;
  return reader === undefined
    ? typeError(`${what} called on an object that is no ReadableStreamBYOBReader`)
    : reader;
};

export class ReadableStreamBYOBReader {
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
    this.#reader = newReader(of);
    this.#reader.self = this;
  }

  get closed() {
    try {
      return here(this, 'closed').closed.promise;
    } catch (error) {
      return rejected(error);
    }
  }

  cancel(reason = undefined) {
    try {
      return readerCancel(here(this, 'cancel'), reason);
    } catch (error) {
      return rejected(error);
    }
  }

  read(view, options = undefined) {
    try {
      const reader = here(this, 'read');
      requireArguments('read', 1, arguments.length);
      const given = viewOf(view);
      if (given === undefined) typeError('read needs a view of an ArrayBuffer');
      const { min } = dictionary(options, 'options');
      const least = min === undefined ? 1 : enforced(min, 'min', 0);
      if (isDetached(given.buffer)) typeError('the buffer of the view is detached');
      if (given.byteLength === 0 || byteLengthOf(given.buffer) === 0) typeError('the view is empty');
      if (least === 0) typeError('min must be greater than 0');
      if (least > given.byteLength / given.elementSize)
        rangeError('min is greater than the length of the view');
      if (reader.stream === undefined) typeError('the reader was released');
      const answer = deferred();
      readByob(reader, view, least, {
        __proto__: null,
        chunk: (value) => answer.resolve({ value, done: false }),
        close: (value) => answer.resolve({ value, done: true }),
        error: answer.reject,
      });
      return answer.promise;
    } catch (error) {
      return rejected(error);
    }
  }

  releaseLock() {
    const reader = here(this, 'releaseLock');
    if (reader.stream !== undefined) releaseByob(reader);
  }
}

asInterface(ReadableStreamBYOBReader, 'ReadableStreamBYOBReader');
