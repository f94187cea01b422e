/* TransformStream (Streams Standard, section 6), and the streams that transform by it: TextEncoderStream and
 * TextDecoderStream (Encoding Standard, sections 7.4 and 7.5), CompressionStream and DecompressionStream.
 * Owns: the classes. Must not know: encodings and formats (the host has them). */
(function (host, s) {
  const { typeError, rangeError, newTypeError, resolved, rejected, deferred, then, call } = host;
  let streamOf, controllerOf;

  const clear = (c) => { c.transform = c.flush = c.cancel = undefined; };
  const setBackpressure = (stream, backpressure) => {
    if (stream.change !== undefined) stream.change.resolve(undefined);
    stream.change = deferred();
    stream.backpressure = backpressure;
  };
  const unblock = (stream) => { if (stream.backpressure) setBackpressure(stream, false); };
  const errorWritable = (stream, error) => {
    clear(stream.controller);
    s.writableErrorIfNeeded(stream.writable.controller, error);
    unblock(stream);
  };
  const errorBoth = (stream, error) => {
    s.defaultError(stream.readable.controller, error);
    errorWritable(stream, error);
  };
  const enqueue = (c, chunk) => {
    const { stream } = c;
    const readable = stream.readable.controller;
    if (!s.defaultCanEnqueue(readable)) typeError('the readable side is closed, or errored');
    try {
      s.defaultEnqueue(readable, chunk);
    } catch (error) {
      errorWritable(stream, error);
      throw stream.readable.storedError;
    }
    const backpressure = !s.defaultShouldPull(readable);
    if (backpressure !== stream.backpressure) setBackpressure(stream, true);
  };
  const terminate = (c) => {
    s.defaultClose(c.stream.readable.controller);
    errorWritable(c.stream, newTypeError('the transform stream was terminated'));
  };
  const perform = (c, chunk) => then(c.transform(chunk), undefined, (error) => {
    errorBoth(c.stream, error);
    throw error;
  });

  /* The end of either side: flush or cancel, once. */
  const finish = (c, algorithm, argument, other, succeed, fail) => {
    if (c.finish !== undefined) return c.finish.promise;
    c.finish = deferred();
    const promise = algorithm(argument);
    clear(c);
    then(promise, () => {
      if (other.state === 'errored') {
        c.finish.reject(other.storedError);
      } else {
        succeed();
        c.finish.resolve(undefined);
      }
    }, (error) => {
      fail(error);
      c.finish.reject(error);
    });
    return c.finish.promise;
  };

  const initialize = (stream, start, writableMark, writableSize, readableMark, readableSize) => {
    const write = (chunk) => {
      if (!stream.backpressure) return perform(stream.controller, chunk);
      return then(stream.change.promise, () => {
        if (stream.writable.state === 'erroring') throw stream.writable.storedError;
        return perform(stream.controller, chunk);
      });
    };
    const failReadable = (error) => s.defaultError(stream.readable.controller, error);
    const abort = (reason) => finish(stream.controller, stream.controller.cancel, reason, stream.readable,
      () => failReadable(reason), failReadable);
    const close = () => finish(stream.controller, stream.controller.flush, undefined, stream.readable,
      () => s.defaultClose(stream.readable.controller), failReadable);
    const pull = () => {
      setBackpressure(stream, false);
      return stream.change.promise;
    };
    const failWritable = (error) => {
      s.writableErrorIfNeeded(stream.writable.controller, error);
      unblock(stream);
    };
    const cancel = (reason) => {
      // A flush may wait for the reader, who is gone.
      if (stream.controller.finish !== undefined) unblock(stream);
      return finish(stream.controller, stream.controller.cancel, reason, stream.writable,
        () => failWritable(reason), failWritable);
    };
    stream.writable = s.createWritable(start, write, close, abort, writableMark, writableSize);
    stream.readable = s.createReadable(start, pull, cancel, readableMark, readableSize);
    setBackpressure(stream, true);
  };
  const newTransform = () => ({
    __proto__: null, readable: undefined, writable: undefined, backpressure: undefined, change: undefined,
    controller: undefined,
  });
  const newController = (stream, transform, flush, cancel) => {
    stream.controller = { __proto__: null, self: undefined, stream, transform, flush, cancel, finish: undefined };
    return stream.controller;
  };

  /* A transform of our own: `transform(chunk, enqueue)` and `flush(enqueue)` are synchronous. */
  const createTransform = (transform, flush) => {
    const stream = newTransform();
    initialize(stream, () => undefined, 1, () => 1, 0, () => 1);
    const run = (f) => {
      try {
        f();
        return resolved(undefined);
      } catch (error) {
        return rejected(error);
      }
    };
    const put = (chunk) => enqueue(c, chunk);
    const c = newController(stream, (chunk) => run(() => transform(chunk, put)), () => run(() => flush(put)),
      () => resolved(undefined));
    return stream;
  };
  s.createTransform = createTransform;

  const here = (value, what) => {
    const stream = s.isObject(value) ? streamOf(value) : undefined;
    return stream === undefined ? typeError(`${what} called on an object that is no TransformStream`) : stream;
  };

  class TransformStream {
    #stream;
    static { streamOf = (value) => (#stream in value ? value.#stream : undefined); }

    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (transformer === s.token) {
        this.#stream = writableStrategy;
        return;
      }
      const underlying = s.object(transformer, 'transformer');
      const writablePlan = s.strategy(writableStrategy);
      const readablePlan = s.strategy(readableStrategy);
      const given = { __proto__: null };
      if (underlying !== null) {
        given.cancel = s.callback(underlying, 'cancel');
        given.flush = s.callback(underlying, 'flush');
        if (underlying.readableType !== undefined) rangeError('there are no types of transformers: leave `readableType` out');
        given.start = s.callback(underlying, 'start');
        given.transform = s.callback(underlying, 'transform');
        if (underlying.writableType !== undefined) rangeError('there are no types of transformers: leave `writableType` out');
      }
      const readableMark = s.highWaterMark(readablePlan, 0);
      const readableSize = s.sizeOf(readablePlan);
      const writableMark = s.highWaterMark(writablePlan, 1);
      const writableSize = s.sizeOf(writablePlan);
      const started = deferred();
      const stream = this.#stream = newTransform();
      initialize(stream, () => started.promise, writableMark, writableSize, readableMark, readableSize);
      const self = () => c.self ??= new TransformStreamDefaultController(s.token, c);
      const own = s.algorithm(underlying, given.transform, 2);
      const flush = s.algorithm(underlying, given.flush, 1);
      const pass = (chunk) => {
        try {
          enqueue(c, chunk);
          return resolved(undefined);
        } catch (error) {
          return rejected(error);
        }
      };
      const c = newController(stream, given.transform === undefined ? pass : (chunk) => own(chunk, self()),
        given.flush === undefined ? flush : () => flush(self()), s.algorithm(underlying, given.cancel, 1));
      started.resolve(given.start === undefined ? undefined : call(given.start, underlying, self()));
    }

    get readable() { return here(this, 'readable').readable.self; }
    get writable() { return here(this, 'writable').writable.self; }
  }
  s.TransformStream = TransformStream;
  s.transformOf = (value) => streamOf(value);
  /* A TransformStream object of two streams that exist. */
  s.wrapTransform = (readable, writable) => {
    const stream = newTransform();
    stream.readable = readable; stream.writable = writable;
    return new TransformStream(s.token, stream);
  };

  const controllerHere = (value, what) => {
    const c = s.isObject(value) ? controllerOf(value) : undefined;
    return c === undefined ? typeError(`${what} called on an object that is no TransformStreamDefaultController`) : c;
  };

  class TransformStreamDefaultController {
    #controller;
    static { controllerOf = (value) => (#controller in value ? value.#controller : undefined); }

    constructor(token = undefined, record = undefined) {
      if (token !== s.token) typeError('Illegal constructor');
      this.#controller = record;
    }

    get desiredSize() { return s.defaultDesiredSize(controllerHere(this, 'desiredSize').stream.readable.controller); }
    enqueue(chunk = undefined) { enqueue(controllerHere(this, 'enqueue'), chunk); }
    error(reason = undefined) { errorBoth(controllerHere(this, 'error').stream, reason); }
    terminate() { terminate(controllerHere(this, 'terminate')); }
  }
  s.TransformStreamDefaultController = TransformStreamDefaultController;

  class TextEncoderStream {
    #stream;

    constructor() {
      const state = { __proto__: null, high: '' };
      this.#stream = createTransform((chunk, put) => {
        // A surrogate pair may be cut in two by the border of chunks.
        const text = state.high + `${chunk}`;
        const last = text === '' ? '' : text[text.length - 1];
        state.high = last >= '\uD800' && last <= '\uDBFF' ? last : '';
        const bytes = host.encode(text, false);
        if (bytes !== undefined) put(bytes);
      }, (put) => {
        if (state.high !== '') put(host.encode(state.high, true));
      });
    }

    get encoding() { this.#stream; return 'utf-8'; }
    get readable() { return this.#stream.readable.self; }
    get writable() { return this.#stream.writable.self; }
  }
  s.TextEncoderStream = TextEncoderStream;

  class TextDecoderStream {
    #stream; #decoder; #fatal; #ignoreBOM;

    constructor(label = undefined, options = undefined) {
      const given = s.dictionary(options, 'options');
      const fatal = this.#fatal = !!given.fatal;
      const ignoreBOM = this.#ignoreBOM = !!given.ignoreBOM;
      const decoder = this.#decoder = host.newDecoder(label === undefined ? 'utf-8' : `${label}`, fatal, ignoreBOM);
      this.#stream = createTransform((chunk, put) => {
        const text = host.decode(decoder, chunk, true);
        if (text !== '') put(text);
      }, (put) => {
        const text = host.decode(decoder, undefined, false);
        if (text !== '') put(text);
      });
    }

    get encoding() { return host.decoderEncoding(this.#decoder); }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    get readable() { return this.#stream.readable.self; }
    get writable() { return this.#stream.writable.self; }
  }
  s.TextDecoderStream = TextDecoderStream;

  /* A stream of which each piece waits for the reader: no more is coded than is wanted. */
  const createCoder = (native) => {
    const stream = newTransform();
    initialize(stream, () => undefined, 1, () => 1, 0, () => 1);
    const pieces = () => {
      try {
        for (;;) {
          if (stream.writable.state === 'erroring') throw stream.writable.storedError;
          if (!s.defaultCanEnqueue(stream.readable.controller)) return resolved(undefined);
          const bytes = host.takeCoded(native);
          if (bytes === undefined) return resolved(undefined);
          enqueue(c, bytes);
          if (stream.backpressure) return then(stream.change.promise, pieces);
        }
      } catch (error) {
        return rejected(error);
      }
    };
    const run = (chunk, last) => {
      try {
        host.feedCoder(native, chunk, last);
      } catch (error) {
        return rejected(error);
      }
      return pieces();
    };
    const c = newController(stream, (chunk) => run(chunk, false), () => run(undefined, true), () => resolved(undefined));
    return stream;
  };

  const coder = (name, make) => {
    const named = { [name]: class {
      #stream;

      constructor(format) {
        if (arguments.length === 0) typeError(`${name}: 1 argument required, but only 0 present`);
        this.#stream = createCoder(make(`${format}`));
      }

      get readable() { return this.#stream.readable.self; }
      get writable() { return this.#stream.writable.self; }
    } };
    return named[name];
  };
  s.CompressionStream = coder('CompressionStream', (format) => host.newCompressor(format));
  s.DecompressionStream = coder('DecompressionStream', (format) => host.newDecompressor(format));
})
