/* ReadableStream (Streams Standard, section 4.2).
 * Owns: the class. Must not know: how its operations are done (the modules that it imports). */
import {
  convertStrategy,
  highWaterMarkOf,
  optionalObject,
  sizeOf,
} from 'jsserve:internal/streams/conversions';
import { isIterableBy } from 'jsserve:internal/streams/natives';
import { pipe, pipeOptions } from 'jsserve:internal/streams/pipe';
import { acquireByobReader } from 'jsserve:internal/streams/readable_byob';
import { setUpByteSource } from 'jsserve:internal/streams/readable_byte';
import {
  acquireDefaultReader,
  convertSource,
  setUpDefaultSource,
} from 'jsserve:internal/streams/readable_default';
import { fromIterable } from 'jsserve:internal/streams/readable_from';
import { iterate } from 'jsserve:internal/streams/readable_iterator';
import {
  isReadableStream,
  newReadable,
  readableCancel,
  readableLocked,
  useReadableStream,
} from 'jsserve:internal/streams/readable_state';
import { readableTee } from 'jsserve:internal/streams/readable_tee';
import { writableLocked, writableOf } from 'jsserve:internal/streams/writable_state';
import { asInterface, handled, rangeError, rejected, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

let streamOf;

const here = (value, what) => {
  const stream = isObject(value) ? streamOf(value) : undefined;
  return stream === undefined ? typeError(`${what} called on an object that is no ReadableStream`) : stream;
};

const wrapping = {};

export class ReadableStream {
  #stream;

  static {
    streamOf = (value) => (#stream in value ? value.#stream : undefined);
  }

  constructor(source = undefined, strategy = undefined) {
    if (source === wrapping) {
      this.#stream = strategy;
      return;
    }
    const underlying = optionalObject(source, 'underlyingSource');
    const plan = convertStrategy(strategy);
    const given = convertSource(underlying);
    const stream = (this.#stream = newReadable());
    stream.self = this;
    if (given.type === 'bytes') {
      if (plan.size !== undefined) rangeError('a byte stream has no size function');
      setUpByteSource(stream, underlying, given, highWaterMarkOf(plan, 0));
    } else {
      setUpDefaultSource(stream, underlying, given, highWaterMarkOf(plan, 1), sizeOf(plan));
    }
  }

  static from(iterable) {
    requireArguments('ReadableStream.from', 1, arguments.length);
    return fromIterable(iterable, undefined);
  }

  get locked() {
    return readableLocked(here(this, 'locked'));
  }

  cancel(reason = undefined) {
    try {
      const stream = here(this, 'cancel');
      if (readableLocked(stream)) typeError('the stream is locked to a reader');
      return readableCancel(stream, reason);
    } catch (error) {
      return rejected(error);
    }
  }

  getReader(options = undefined) {
    const stream = here(this, 'getReader');
    const { mode } = dictionary(options, 'options');
    if (mode === undefined) return acquireDefaultReader(stream).self;
    if (`${mode}` !== 'byob') typeError(`'${mode}' is not a mode of readers: the only one is "byob"`);
    return acquireByobReader(stream).self;
  }

  pipeThrough(transform, options = undefined) {
    const stream = here(this, 'pipeThrough');
    requireArguments('pipeThrough', 1, arguments.length);
    const pair = dictionary(transform, 'transform');
    const readable = pair.readable;
    if (!isReadableStream(readable)) typeError('transform.readable is no ReadableStream');
    const writable = isObject(pair.writable) ? pair.writable : undefined;
    const target = writable === undefined ? undefined : writableOf(writable);
    if (target === undefined) typeError('transform.writable is no WritableStream');
    const how = pipeOptions(options);
    if (readableLocked(stream)) typeError('the stream is locked to a reader');
    if (writableLocked(target)) typeError('transform.writable is locked to a writer');
    handled(pipe(stream, target, how));
    return readable;
  }

  pipeTo(destination, options = undefined) {
    try {
      const stream = here(this, 'pipeTo');
      requireArguments('pipeTo', 1, arguments.length);
      const target = isObject(destination) ? writableOf(destination) : undefined;
      if (target === undefined) typeError('the destination is no WritableStream');
      const how = pipeOptions(options);
      if (readableLocked(stream)) typeError('the stream is locked to a reader');
      if (writableLocked(target)) typeError('the destination is locked to a writer');
      return pipe(stream, target, how);
    } catch (error) {
      return rejected(error);
    }
  }

  tee() {
    const branches = readableTee(here(this, 'tee'));
    return [branches[0].self, branches[1].self];
  }

  values(options = undefined) {
    const stream = here(this, 'values');
    const keep = !!dictionary(options, 'options').preventCancel;
    return iterate(acquireDefaultReader(stream), keep);
  }
}

useReadableStream(streamOf, (stream) => {
  stream.self = new ReadableStream(wrapping, stream);
  return stream.self;
});
asInterface(ReadableStream, 'ReadableStream', 'locked');
isIterableBy(ReadableStream, 'values');
