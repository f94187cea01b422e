/* ReadableStreamBYOBReader, and tee of byte streams (Streams Standard, sections 4.5 and 4.9.1).
 * Owns: the class. Must not know: how bytes are queued (readable_byte.js). */
(function (host, s) {
  const { typeError, rangeError, resolved, rejected, deferred, then, viewOf, isDetached } = host;
  let readerOf;

  s.acquireByobReader = (stream) => {
    const reader = newReader(stream);
    reader.self = new ReadableStreamBYOBReader(s.token, reader);
    return reader;
  };
  const newReader = (stream) => {
    if (s.readableLocked(stream)) typeError('the stream is locked to a reader already');
    if (!stream.controller.bytes) typeError('only byte streams fill buffers of their reader');
    return s.newReader(stream, true);
  };
  s.readByob = (reader, view, min, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === 'errored') request.error(stream.storedError);
    else s.pullInto(stream.controller, view, min, request);
  };
  const here = (value, what) => {
    const reader = s.isObject(value) ? readerOf(value) : undefined;
    return reader === undefined ? typeError(`${what} called on an object that is no ReadableStreamBYOBReader`) : reader;
  };

  class ReadableStreamBYOBReader {
    #reader;
    static { readerOf = (value) => (#reader in value ? value.#reader : undefined); }

    constructor(stream, record = undefined) {
      if (stream === s.token) {
        this.#reader = record;
        return;
      }
      const of = s.isReadableStream(stream) ? s.readableOf(stream) : typeError('a reader needs a ReadableStream');
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
        return s.readerCancel(here(this, 'cancel'), reason);
      } catch (error) {
        return rejected(error);
      }
    }

    read(view, options = undefined) {
      try {
        const reader = here(this, 'read');
        if (arguments.length === 0) typeError('read: 1 argument required, but only 0 present');
        const given = viewOf(view);
        if (given === undefined) typeError('read needs a view of an ArrayBuffer');
        const { min } = s.dictionary(options, 'options');
        const least = min === undefined ? 1 : s.enforced(min, 'min', 0);
        if (isDetached(given.buffer)) typeError('the buffer of the view is detached');
        if (given.byteLength === 0 || host.byteLengthOf(given.buffer) === 0) typeError('the view is empty');
        if (least === 0) typeError('min must be greater than 0');
        if (least > given.byteLength / given.elementSize) rangeError('min is greater than the length of the view');
        if (reader.stream === undefined) typeError('the reader was released');
        const answer = deferred();
        s.readByob(reader, view, least, {
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
      if (reader.stream !== undefined) s.releaseByob(reader);
    }
  }
  s.ReadableStreamBYOBReader = ReadableStreamBYOBReader;

  /* ReadableByteStreamTee. */
  s.teeBytes = (stream) => {
    const ended = deferred();
    let reader = s.acquireDefaultReader(stream);
    let reading = false;
    const one = { __proto__: null, again: false, canceled: false, reason: undefined, stream: undefined };
    const two = { __proto__: null, again: false, canceled: false, reason: undefined, stream: undefined };
    const either = () => !one.canceled || !two.canceled;

    const forwardError = (current) => then(current.closed.promise, undefined, (error) => {
      if (current !== reader) return;
      s.byteError(one.stream.controller, error);
      s.byteError(two.stream.controller, error);
      if (either()) ended.resolve(undefined);
    });
    const failed = (error) => {
      s.byteError(one.stream.controller, error);
      s.byteError(two.stream.controller, error);
      ended.resolve(s.readableCancel(stream, error));
    };
    const goOn = () => {
      reading = false;
      if (one.again) pull(one, two);
      else if (two.again) pull(two, one);
    };
    const answerRest = (branch) => {
      if (branch.stream.controller.pending.length > 0) s.byteRespond(branch.stream.controller, 0);
    };

    const pullByDefault = () => {
      if (reader.byob) {
        s.releaseByob(reader);
        reader = s.acquireDefaultReader(stream);
        forwardError(reader);
      }
      s.readDefault(reader, {
        __proto__: null,
        chunk: (chunk) => s.microtask(() => {
          one.again = two.again = false;
          let copy = chunk;
          if (!one.canceled && !two.canceled) {
            try {
              copy = host.cloneBytes(chunk);
            } catch (error) {
              failed(error);
              return;
            }
          }
          if (!one.canceled) s.byteEnqueue(one.stream.controller, chunk);
          if (!two.canceled) s.byteEnqueue(two.stream.controller, copy);
          goOn();
        }),
        close: () => {
          reading = false;
          if (!one.canceled) s.byteClose(one.stream.controller);
          if (!two.canceled) s.byteClose(two.stream.controller);
          answerRest(one);
          answerRest(two);
          if (either()) ended.resolve(undefined);
        },
        error: () => { reading = false; },
      });
    };

    const pullInto = (view, branch, other) => {
      if (!reader.byob) {
        s.releaseDefault(reader);
        reader = s.acquireByobReader(stream);
        forwardError(reader);
      }
      s.readByob(reader, view, 1, {
        __proto__: null,
        chunk: (chunk) => s.microtask(() => {
          one.again = two.again = false;
          if (!other.canceled) {
            let copy;
            try {
              copy = host.cloneBytes(chunk);
            } catch (error) {
              failed(error);
              return;
            }
            if (!branch.canceled) s.byteRespondWithView(branch.stream.controller, chunk);
            s.byteEnqueue(other.stream.controller, copy);
          } else if (!branch.canceled) {
            s.byteRespondWithView(branch.stream.controller, chunk);
          }
          goOn();
        }),
        close: (chunk) => {
          reading = false;
          if (!branch.canceled) s.byteClose(branch.stream.controller);
          if (!other.canceled) s.byteClose(other.stream.controller);
          if (chunk !== undefined) {
            if (!branch.canceled) s.byteRespondWithView(branch.stream.controller, chunk);
            if (!other.canceled) answerRest(other);
          }
          if (either()) ended.resolve(undefined);
        },
        error: () => { reading = false; },
      });
    };

    const pull = (branch, other) => {
      if (reading) {
        branch.again = true;
        return resolved(undefined);
      }
      reading = true;
      const request = s.byobRequest(branch.stream.controller);
      if (request === null) pullByDefault(); else pullInto(request.view, branch, other);
      return resolved(undefined);
    };
    const cancel = (branch) => (reason) => {
      branch.canceled = true;
      branch.reason = reason;
      if (one.canceled && two.canceled) ended.resolve(s.readableCancel(stream, [one.reason, two.reason]));
      return ended.promise;
    };
    one.stream = s.createReadableByteStream(() => undefined, () => pull(one, two), cancel(one));
    two.stream = s.createReadableByteStream(() => undefined, () => pull(two, one), cancel(two));
    forwardError(reader);
    return [one.stream, two.stream];
  };
})
