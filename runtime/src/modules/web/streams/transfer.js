/* Streams that are transferred (Streams Standard, sections 4.2.5, 5.2.5, 6.2.4 and 8.2).
 * Owns: the two halves of a stream that was moved. Must not know: ports: both halves are in one engine,
 * and what they send each other arrives, copied, in tasks. */
(function (host, s) {
  const { resolved, rejected, deferred, then, handled } = host;
  const nothing = () => undefined;

  /* Two ends that send each other (kind, value); a closed one sends nothing, and hears nothing. */
  const entangled = () => {
    const end = () => ({ __proto__: null, open: true, hear: nothing, other: undefined });
    const one = end(), two = end();
    one.other = two; two.other = one;
    return { __proto__: null, one, two };
  };
  const post = (end, kind, value) => {
    const copy = host.cloneChunk(value);
    if (!end.open) return;
    host.task(() => { if (end.other.open) end.other.hear(kind, copy); });
  };
  const close = (end) => { end.open = false; };
  /* Sends; where the value cannot be copied, its error: a promise of neither. */
  const send = (end, kind, value) => {
    try {
      post(end, kind, value);
      return resolved(undefined);
    } catch (error) {
      try { post(end, 'error', error); } catch { post(end, 'error', undefined); }
      return rejected(error);
    }
  };

  const writableEnd = (end) => {
    let blocked = deferred();
    const unblock = () => {
      if (blocked !== undefined) blocked.resolve(undefined);
      blocked = undefined;
    };
    end.hear = (kind, value) => {
      if (kind === 'error') s.writableErrorIfNeeded(stream.controller, value);
      unblock();
    };
    const write = (chunk) => then(blocked === undefined ? resolved(undefined) : blocked.promise, () => {
      blocked = deferred();
      const sent = send(end, 'chunk', chunk);
      return then(sent, undefined, (error) => {
        close(end);
        throw error;
      });
    });
    const finish = () => {
      post(end, 'close', undefined);
      return resolved(undefined);
    };
    const abort = (reason) => send(end, 'error', reason);
    const stream = s.createWritable(nothing, write, finish, abort);
    return stream;
  };

  const readableEnd = (end) => {
    end.hear = (kind, value) => {
      const c = stream.controller;
      if (kind === 'chunk') {
        if (s.defaultCanEnqueue(c)) s.defaultEnqueue(c, value);
        return;
      }
      close(end);
      if (kind === 'error') s.defaultError(c, value);
      else if (s.defaultCanEnqueue(c)) s.defaultClose(c);
    };
    const pull = () => {
      post(end, 'pull', undefined);
      return resolved(undefined);
    };
    const cancel = (reason) => send(end, 'error', reason);
    const stream = s.createReadable(nothing, pull, cancel, 0);
    return stream;
  };

  const options = () => s.pipeOptions(undefined);
  const moveReadable = (stream) => {
    const { one, two } = entangled();
    handled(s.pipe(stream, writableEnd(one), options()));
    return readableEnd(two);
  };
  const moveWritable = (stream) => {
    const { one, two } = entangled();
    handled(s.pipe(readableEnd(one), stream, options()));
    return writableEnd(two);
  };

  const parts = (value) => {
    if (!s.isObject(value)) return undefined;
    const readable = s.readableOf(value), writable = readable === undefined ? s.writableOf(value) : undefined;
    if (readable !== undefined || writable !== undefined) return { __proto__: null, readable, writable, transform: false };
    const both = s.transformOf(value);
    return both === undefined ? undefined : { __proto__: null, readable: both.readable, writable: both.writable, transform: true };
  };
  s.isTransferable = (value) => {
    const found = parts(value);
    if (found === undefined) return undefined;
    const { readable, writable } = found;
    return !(readable !== undefined && s.readableLocked(readable)) && !(writable !== undefined && s.writableLocked(writable));
  };
  s.transfer = (value) => {
    const { readable, writable, transform } = parts(value);
    if (transform) return s.wrapTransform(moveReadable(readable), moveWritable(writable));
    return (readable === undefined ? moveWritable(writable) : moveReadable(readable)).self;
  };
  s.platformName = (value) => {
    const found = parts(value);
    if (found === undefined) return undefined;
    return found.transform ? 'TransformStream' : found.readable === undefined ? 'WritableStream' : 'ReadableStream';
  };
})
