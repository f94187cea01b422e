/* TransformStream and its controller (Streams Standard, section 6).
 * Owns: the two classes. Must not know: what is transformed. */
import {
  algorithmOf,
  callbackOf,
  convertStrategy,
  highWaterMarkOf,
  optionalObject,
  sizeOf,
  TOKEN,
} from 'jsserve:internal/streams/conversions';
import {
  createReadable,
  defaultCanEnqueue,
  defaultClose,
  defaultDesiredSize,
  defaultEnqueue,
  defaultError,
  defaultShouldPull,
} from 'jsserve:internal/streams/readable_default';
import { createWritable } from 'jsserve:internal/streams/writable';
import { writableErrorIfNeeded } from 'jsserve:internal/streams/writable_state';
import {
  asInterface,
  call,
  deferred,
  newTypeError,
  rangeError,
  rejected,
  resolved,
  then,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

let streamOf, controllerOf;

const clear = (c) => {
  c.transform = c.flush = c.cancel = undefined;
};
const setBackpressure = (stream, backpressure) => {
  if (stream.change !== undefined) stream.change.resolve(undefined);
  stream.change = deferred();
  stream.backpressure = backpressure;
};
const unblock = (stream) => {
  if (stream.backpressure) setBackpressure(stream, false);
};
const errorWritable = (stream, error) => {
  clear(stream.controller);
  writableErrorIfNeeded(stream.writable.controller, error);
  unblock(stream);
};
const errorBoth = (stream, error) => {
  defaultError(stream.readable.controller, error);
  errorWritable(stream, error);
};
export const enqueue = (c, chunk) => {
  const { stream } = c;
  const readable = stream.readable.controller;
  if (!defaultCanEnqueue(readable)) typeError('the readable side is closed, or errored');
  try {
    defaultEnqueue(readable, chunk);
  } catch (error) {
    errorWritable(stream, error);
    throw stream.readable.storedError;
  }
  const backpressure = !defaultShouldPull(readable);
  if (backpressure !== stream.backpressure) setBackpressure(stream, true);
};
const terminate = (c) => {
  defaultClose(c.stream.readable.controller);
  errorWritable(c.stream, newTypeError('the transform stream was terminated'));
};
const perform = (c, chunk) =>
  then(c.transform(chunk), undefined, (error) => {
    errorBoth(c.stream, error);
    throw error;
  });

/* The end of either side: flush or cancel, once. */
const finish = (c, algorithm, argument, other, succeed, fail) => {
  if (c.finish !== undefined) return c.finish.promise;
  c.finish = deferred();
  const promise = algorithm(argument);
  clear(c);
  then(
    promise,
    () => {
      if (other.state === 'errored') {
        c.finish.reject(other.storedError);
      } else {
        succeed();
        c.finish.resolve(undefined);
      }
    },
    (error) => {
      fail(error);
      c.finish.reject(error);
    },
  );
  return c.finish.promise;
};

export const initialize = (stream, start, writableMark, writableSize, readableMark, readableSize) => {
  const write = (chunk) => {
    if (!stream.backpressure) return perform(stream.controller, chunk);
    return then(stream.change.promise, () => {
      if (stream.writable.state === 'erroring') throw stream.writable.storedError;
      return perform(stream.controller, chunk);
    });
  };
  const failReadable = (error) => defaultError(stream.readable.controller, error);
  const abort = (reason) =>
    finish(
      stream.controller,
      stream.controller.cancel,
      reason,
      stream.readable,
      () => failReadable(reason),
      failReadable,
    );
  const close = () =>
    finish(
      stream.controller,
      stream.controller.flush,
      undefined,
      stream.readable,
      () => defaultClose(stream.readable.controller),
      failReadable,
    );
  const pull = () => {
    setBackpressure(stream, false);
    return stream.change.promise;
  };
  const failWritable = (error) => {
    writableErrorIfNeeded(stream.writable.controller, error);
    unblock(stream);
  };
  const cancel = (reason) => {
    // A flush may wait for the reader, who is gone.
    if (stream.controller.finish !== undefined) unblock(stream);
    return finish(
      stream.controller,
      stream.controller.cancel,
      reason,
      stream.writable,
      () => failWritable(reason),
      failWritable,
    );
  };
  stream.writable = createWritable(start, write, close, abort, writableMark, writableSize);
  stream.readable = createReadable(start, pull, cancel, readableMark, readableSize);
  setBackpressure(stream, true);
};
export const newTransform = () => ({
  __proto__: null,
  readable: undefined,
  writable: undefined,
  backpressure: undefined,
  change: undefined,
  controller: undefined,
});
export const newController = (stream, transform, flush, cancel) => {
  stream.controller = {
    __proto__: null,
    self: undefined,
    stream,
    transform,
    flush,
    cancel,
    finish: undefined,
  };
  return stream.controller;
};

/* A transform of our own: `transform(chunk, enqueue)` and `flush(enqueue)` are synchronous. */
export const createTransform = (transform, flush) => {
  const stream = newTransform();
  initialize(
    stream,
    () => undefined,
    1,
    () => 1,
    0,
    () => 1,
  );
  const run = (f) => {
    try {
      f();
      return resolved(undefined);
    } catch (error) {
      return rejected(error);
    }
  };
  const put = (chunk) => enqueue(c, chunk);
  const c = newController(
    stream,
    (chunk) => run(() => transform(chunk, put)),
    () => run(() => flush(put)),
    () => resolved(undefined),
  );
  return stream;
};

const here = (value, what) => {
  const stream = isObject(value) ? streamOf(value) : undefined;
  return stream === undefined ? typeError(`${what} called on an object that is no TransformStream`) : stream;
};

export class TransformStream {
  #stream;
  static {
    streamOf = (value) => (#stream in value ? value.#stream : undefined);
  }

  constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
    if (transformer === TOKEN) {
      this.#stream = writableStrategy;
      return;
    }
    const underlying = optionalObject(transformer, 'transformer');
    const writablePlan = convertStrategy(writableStrategy);
    const readablePlan = convertStrategy(readableStrategy);
    const given = { __proto__: null };
    if (underlying !== null) {
      given.cancel = callbackOf(underlying, 'cancel');
      given.flush = callbackOf(underlying, 'flush');
      if (underlying.readableType !== undefined)
        rangeError('there are no types of transformers: leave `readableType` out');
      given.start = callbackOf(underlying, 'start');
      given.transform = callbackOf(underlying, 'transform');
      if (underlying.writableType !== undefined)
        rangeError('there are no types of transformers: leave `writableType` out');
    }
    const readableMark = highWaterMarkOf(readablePlan, 0);
    const readableSize = sizeOf(readablePlan);
    const writableMark = highWaterMarkOf(writablePlan, 1);
    const writableSize = sizeOf(writablePlan);
    const started = deferred();
    const stream = (this.#stream = newTransform());
    initialize(stream, () => started.promise, writableMark, writableSize, readableMark, readableSize);
    const self = () => (c.self ??= new TransformStreamDefaultController(TOKEN, c));
    const own = algorithmOf(underlying, given.transform, 2);
    const flush = algorithmOf(underlying, given.flush, 1);
    const pass = (chunk) => {
      try {
        enqueue(c, chunk);
        return resolved(undefined);
      } catch (error) {
        return rejected(error);
      }
    };
    const c = newController(
      stream,
      given.transform === undefined ? pass : (chunk) => own(chunk, self()),
      given.flush === undefined ? flush : () => flush(self()),
      algorithmOf(underlying, given.cancel, 1),
    );
    started.resolve(given.start === undefined ? undefined : call(given.start, underlying, self()));
  }

  get readable() {
    return here(this, 'readable').readable.self;
  }
  get writable() {
    return here(this, 'writable').writable.self;
  }
}
export const transformOf = (value) => streamOf(value);
/* A TransformStream object of two streams that exist. */
export const wrapTransform = (readable, writable) => {
  const stream = newTransform();
  stream.readable = readable;
  stream.writable = writable;
  return new TransformStream(TOKEN, stream);
};

const controllerHere = (value, what) => {
  const c = isObject(value) ? controllerOf(value) : undefined;
  return c === undefined
    ? typeError(`${what} called on an object that is no TransformStreamDefaultController`)
    : c;
};

export class TransformStreamDefaultController {
  #controller;
  static {
    controllerOf = (value) => (#controller in value ? value.#controller : undefined);
  }

  constructor(token = undefined, record = undefined) {
    if (token !== TOKEN) typeError('Illegal constructor');
    this.#controller = record;
  }

  get desiredSize() {
    return defaultDesiredSize(controllerHere(this, 'desiredSize').stream.readable.controller);
  }
  enqueue(chunk = undefined) {
    enqueue(controllerHere(this, 'enqueue'), chunk);
  }
  error(reason = undefined) {
    errorBoth(controllerHere(this, 'error').stream, reason);
  }
  terminate() {
    terminate(controllerHere(this, 'terminate'));
  }
}

asInterface(TransformStream, 'TransformStream', 'readable', 'writable');
asInterface(TransformStreamDefaultController, 'TransformStreamDefaultController');
