/* WritableStream and its controller (Streams Standard, sections 5.2 and 5.4).
 * Owns: the two classes. Must not know: where chunks come from. */
import {
  algorithmOf,
  callbackOf,
  convertStrategy,
  highWaterMarkOf,
  optionalObject,
  sizeOf,
  starterOf,
  TOKEN,
} from 'jsserve:internal/streams/conversions';
import { abortSignal, newSignal } from 'jsserve:internal/streams/natives';
import {
  closeWritable,
  errorNow,
  newWritable,
  setUpWritableController,
  useWritableStream,
  writableAbort,
  writableCloseQueued,
  writableLocked,
} from 'jsserve:internal/streams/writable_state';
import { acquireWriter } from 'jsserve:internal/streams/writable_writer';
import { asInterface, rangeError, rejected, typeError } from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

let streamOf, controllerOf;

const here = (value, what) => {
  const stream = isObject(value) ? streamOf(value) : undefined;
  return stream === undefined ? typeError(`${what} called on an object that is no WritableStream`) : stream;
};

export const createWritable = (start, write, close, abort, highWaterMark = 1, size = () => 1) => {
  const stream = newWritable();
  stream.self = new WritableStream(TOKEN, stream);
  setUpWritableController(stream, start, write, close, abort, highWaterMark, size);
  return stream;
};

export class WritableStream {
  #stream;
  static {
    streamOf = (value) => (#stream in value ? value.#stream : undefined);
  }

  constructor(sink = undefined, strategy = undefined) {
    if (sink === TOKEN) {
      this.#stream = strategy;
      return;
    }
    const underlying = optionalObject(sink, 'underlyingSink');
    const plan = convertStrategy(strategy);
    const given = { __proto__: null };
    if (underlying !== null) {
      given.abort = callbackOf(underlying, 'abort');
      given.close = callbackOf(underlying, 'close');
      given.start = callbackOf(underlying, 'start');
      if (underlying.type !== undefined) rangeError('there are no types of sinks: leave `type` out');
      given.write = callbackOf(underlying, 'write');
    }
    const size = sizeOf(plan);
    const highWaterMark = highWaterMarkOf(plan, 1);
    const stream = (this.#stream = newWritable());
    stream.self = this;
    let c;
    const self = () => (c.self ??= new WritableStreamDefaultController(TOKEN, c));
    const start = starterOf(underlying, given.start, self);
    const write = algorithmOf(underlying, given.write, 2);
    setUpWritableController(
      stream,
      (record) => {
        c = record;
        return start();
      },
      given.write === undefined ? write : (chunk) => write(chunk, self()),
      algorithmOf(underlying, given.close, 0),
      algorithmOf(underlying, given.abort, 1),
      highWaterMark,
      size,
    );
  }

  get locked() {
    return writableLocked(here(this, 'locked'));
  }

  abort(reason = undefined) {
    try {
      const stream = here(this, 'abort');
      if (writableLocked(stream)) typeError('the stream is locked to a writer');
      return writableAbort(stream, reason);
    } catch (error) {
      return rejected(error);
    }
  }

  close() {
    try {
      const stream = here(this, 'close');
      if (writableLocked(stream)) typeError('the stream is locked to a writer');
      if (writableCloseQueued(stream)) typeError('the stream is closing already');
      return closeWritable(stream);
    } catch (error) {
      return rejected(error);
    }
  }

  getWriter() {
    return acquireWriter(here(this, 'getWriter')).self;
  }
}

const controllerHere = (value, what) => {
  const c = isObject(value) ? controllerOf(value) : undefined;
  return c === undefined
    ? typeError(`${what} called on an object that is no WritableStreamDefaultController`)
    : c;
};

export class WritableStreamDefaultController {
  #controller;
  static {
    controllerOf = (value) => (#controller in value ? value.#controller : undefined);
  }

  constructor(token = undefined, record = undefined) {
    if (token !== TOKEN) typeError('Illegal constructor');
    this.#controller = record;
  }

  get signal() {
    const c = controllerHere(this, 'signal');
    if (c.signal === undefined) {
      c.signal = newSignal();
      if (c.abortReason !== undefined) abortSignal(c.signal, c.abortReason.reason);
    }
    return c.signal;
  }

  error(error = undefined) {
    const c = controllerHere(this, 'error');
    if (c.stream.state === 'writable') errorNow(c, error);
  }
}

useWritableStream(streamOf);
asInterface(WritableStream, 'WritableStream', 'locked');
asInterface(WritableStreamDefaultController, 'WritableStreamDefaultController');
