/* Streams as bodies (Streams Standard, section 9, and Fetch, section 5.2): streams over native sources,
 * and what native code does with the streams of an app.
 * Owns: nothing at run time. Must not know: requests, sockets. */
(function (host, s) {
  const { resolved, then, handled, deferred } = host;
  const nothing = () => undefined;

  /* What such a stream does for a pipe that takes its bytes. */
  const feed = {
    __proto__: null,
    open: ({ native }) => native,
    ended: ({ controller }) => s.byteClose(controller),
    failed: ({ controller }, error) => s.byteError(controller, error),
  };

  /* A byte stream over a native source; pulled only when somebody reads. */
  s.ofSource = (source) => {
    const pull = () => then(host.pull(source), (next) => {
      const c = stream.controller;
      if (stream.state !== 'readable') return;
      if (next !== undefined) {
        s.byteEnqueue(c, next.bytes);
        return;
      }
      s.byteClose(c);
      if (c.pending.length > 0) s.byteRespond(c, 0);
    });
    const cancel = () => {
      host.cancelSource(source);
      return resolved(undefined);
    };
    const stream = s.createReadableByteStream(nothing, pull, cancel);
    stream.native = source;
    stream.feed = feed;
    return stream.self;
  };

  /* Ends a stream over a native source, whoever reads it. */
  s.fail = (object, reason) => { s.byteError(s.readableOf(object).controller, reason); };

  /* The stream of a body that was used up before anybody asked for a stream. */
  s.spent = () => {
    const done = () => resolved(undefined);
    const stream = s.createReadableByteStream(nothing, done, done);
    s.acquireDefaultReader(stream);
    stream.disturbed = true;
    s.readableClose(stream);
    return stream.self;
  };

  s.isDisturbed = (object) => s.readableOf(object).disturbed;
  const usable = (stream) => !stream.disturbed && !s.readableLocked(stream);
  s.isUsable = (object) => usable(s.readableOf(object));

  /* Takes what is in a stream, which stays locked: undefined where somebody has begun to; its native
   * source where it has one, else a reader. */
  s.seize = (object) => {
    const stream = s.readableOf(object);
    if (!usable(stream)) return undefined;
    const reader = s.acquireDefaultReader(stream);
    const source = stream.native;
    if (source === undefined || stream.state !== 'readable') return reader;
    stream.disturbed = true;
    s.readableClose(stream);
    return source;
  };

  /* Two streams with the same bytes ("clone a body"). */
  s.fork = (object) => {
    const [one, two] = s.readableTee(s.readableOf(object), true);
    return { __proto__: null, one: one.self, two: two.self };
  };

  /* A stream that takes the place of another ("create a proxy"). */
  s.proxy = (object) => {
    const stream = s.readableOf(object);
    if (stream.native !== undefined && usable(stream) && stream.state === 'readable') return s.ofSource(s.seize(object));
    const through = s.createTransform((chunk, put) => put(chunk), nothing);
    handled(s.pipe(stream, through.writable, s.pipeOptions(undefined)));
    return through.readable.self;
  };

  /* An iterable's chunks may be strings and buffers of any kind. */
  s.ofIterable = (iterable) => s.fromIterable(iterable, (chunk) => {
    if (typeof chunk === 'string') return host.encode(chunk, true) ?? host.cloneBytes(undefined);
    const view = host.viewOf(chunk);
    return view !== undefined && view.kind === host.UINT8 || !host.isBuffer(chunk) ? chunk : host.cloneBytes(chunk);
  });

  /* Reads one chunk into a native sink. */
  s.readInto = (reader, sink) => s.readDefault(reader, {
    __proto__: null,
    chunk: (chunk) => {
      const error = host.put(sink, chunk);
      if (error !== undefined) handled(s.readerCancel(reader, error));
    },
    close: () => { host.end(sink); },
    error: (error) => { host.fail(sink, error); },
  });
  s.giveUp = (reader, reason) => { handled(s.readerCancel(reader, reason)); };

  /* Reads all into a native collector: a promise of what it makes of it. */
  s.collect = (reader, collector) => {
    const answer = deferred();
    const request = {
      __proto__: null,
      chunk: (chunk) => {
        try {
          host.gather(collector, chunk);
          s.microtask(read);
        } catch (error) {
          handled(s.readerCancel(reader, error));
          answer.reject(error);
        }
      },
      close: () => {
        try {
          answer.resolve(host.gathered(collector));
        } catch (error) {
          answer.reject(error);
        }
      },
      error: answer.reject,
    };
    const read = () => s.readDefault(reader, request);
    read();
    return answer.promise;
  };
})
