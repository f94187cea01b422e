/* ReadableStreamPipeTo (Streams Standard, section 4.9.1): from any stream to any other, and between two ends of
 * native code, whose bytes pass by without JavaScript.
 * Owns: the states of a pipe. Must not know: how native code moves bytes (pipe.rs), whose they are.
 * A readable's `feed` and a writable's `drain` are what their makers can do for a passage. To their streams it is
 * one read and one write: what must wait for a write in flight waits for what the passage holds. */
(function (host, s) {
  const { newTypeError, typeError, resolved, deferred, then } = host;
  const noop = () => undefined;

  /* How a passage ended (pipe.rs). */
  const ENDED = 0, SOURCE_FAILED = 2, SINK_FAILED = 3;
  const ended = (source, target, pass, how, error) => {
    s.passEnded(target, pass, how === SINK_FAILED ? { __proto__: null, error } : undefined);
    if (how === ENDED) source.feed.ended(source);
    else if (how === SOURCE_FAILED) source.feed.failed(source, error);
  };
  /* Begins a passage: a promise that all is written that it took. */
  const begin = (source, target) => {
    const { passage, outcome } = host.pass(source.feed.open(source), target.drain.open(target));
    const pass = { __proto__: null, passage, written: deferred() };
    target.pass = pass;
    then(outcome, ({ how, error }) => ended(source, target, pass, how, error),
      (error) => ended(source, target, pass, SINK_FAILED, error));
    return pass.written.promise;
  };
  const isNative = (source, target) => source.feed !== undefined && target.drain !== undefined
    && source.state === 'readable' && target.state === 'writable' && !s.writableCloseQueued(target);
  /* Whether nothing is on the way in either stream. */
  const isIdle = ({ controller: from }, { controller: to, writing }) => from.total === 0 && !from.pulling
    && from.pending.length === 0 && writing === undefined && to.queue.list.length === 0;

  s.pipeOptions = (options) => {
    const given = s.dictionary(options, 'options');
    const preventAbort = !!given.preventAbort;
    const preventCancel = !!given.preventCancel;
    const preventClose = !!given.preventClose;
    const { signal } = given;
    if (signal !== undefined && !host.isSignal(signal)) typeError('signal is no AbortSignal');
    return { __proto__: null, preventAbort, preventCancel, preventClose, signal };
  };
  s.pipe = (source, target, { preventAbort, preventCancel, preventClose, signal }) => {
    const reader = s.acquireDefaultReader(source);
    const writer = s.acquireWriter(target);
    source.disturbed = true;
    const end = deferred();
    let shuttingDown = false, lastWrite = resolved(undefined), follower;
    const ready = lastWrite;

    const finalize = (failedWith) => {
      s.releaseWriter(writer);
      s.releaseDefault(reader);
      if (follower !== undefined) host.forget(signal, follower);
      if (failedWith !== undefined) end.reject(failedWith.error); else end.resolve(undefined);
    };
    const written = () => {
      const seen = lastWrite;
      return then(seen, () => (seen === lastWrite ? undefined : written()));
    };
    const shutDown = (failedWith, action = undefined) => {
      if (shuttingDown) return;
      shuttingDown = true;
      s.haltPass(target);
      const rest = () => {
        if (action === undefined) finalize(failedWith);
        else then(action(), () => finalize(failedWith), (error) => finalize({ __proto__: null, error }));
      };
      if (target.state === 'writable' && !s.writableCloseQueued(target)) then(written(), rest); else rest();
    };

    if (signal !== undefined) {
      const abort = () => {
        const error = host.abortReason(signal);
        const both = () => {
          const first = !preventAbort && target.state === 'writable' ? s.writableAbort(target, error) : resolved(undefined);
          const second = !preventCancel && source.state === 'readable' ? s.readableCancel(source, error) : resolved(undefined);
          const answer = deferred();
          let open = 2;
          const one = () => { if (--open === 0) answer.resolve(undefined); };
          then(first, one, answer.reject);
          then(second, one, answer.reject);
          return answer.promise;
        };
        shutDown({ __proto__: null, error }, both);
      };
      if (host.isAborted(signal)) {
        abort();
        return end.promise;
      }
      follower = abort;
      host.follow(signal, abort);
    }

    const whenErrored = (stream, closed, action) => {
      if (stream.state === 'errored') action(stream.storedError); else then(closed, undefined, action);
    };
    whenErrored(source, reader.closed.promise, (error) => shutDown({ __proto__: null, error },
      preventAbort ? undefined : () => s.writableAbort(target, error)));
    whenErrored(target, writer.closed.promise, (error) => shutDown({ __proto__: null, error },
      preventCancel ? undefined : () => s.readableCancel(source, error)));
    const ended = () => shutDown(undefined, preventClose ? undefined : () => s.writerCloseForPipe(writer));
    if (source.state === 'closed') ended(); else then(reader.closed.promise, ended, noop);
    const lost = () => {
      if (shuttingDown) return;
      const error = newTypeError('the destination is closing, or closed');
      shutDown({ __proto__: null, error }, preventCancel ? undefined : () => s.readableCancel(source, error));
    };
    // A socket's closes while it is locked, with the peer's end.
    if (s.writableCloseQueued(target) || target.state === 'closed') lost(); else then(writer.closed.promise, lost, noop);

    const request = {
      __proto__: null,
      // The source may have enqueued the chunk just now: its sink is not called inside of that call.
      chunk: (chunk) => {
        lastWrite = then(ready, () => {
          if (writer.stream === undefined) return undefined;
          const write = s.writerWrite(writer, chunk);
          if (isNative(source, target)) then(written(), step); else step();
          return then(write, undefined, noop);
        });
      },
      close: noop,
      error: noop,
    };
    const read = () => { if (!shuttingDown) s.readDefault(reader, request); };
    const step = () => {
      if (shuttingDown) return;
      if (isNative(source, target)) {
        const { controller } = source.controller.started ? target : source;
        if (!controller.started) {
          then(controller.starting, step);
          return;
        }
        if (isIdle(source, target)) {
          lastWrite = begin(source, target);
          return;
        }
      }
      then(writer.ready.promise, read, noop);
    };
    step();
    return end.promise;
  };
})
