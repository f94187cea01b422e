/* ReadableStreamPipeTo (Streams Standard, section 4.9.1): from any stream to any other, and between two ends of
 * native code, whose bytes pass by without JavaScript.
 * Owns: the states of a pipe. Must not know: how native code moves bytes (pipe.rs), whose they are.
 * A readable's `feed` and a writable's `drain` are what their makers can do for a passage. To their streams it is
 * one read and one write: what must wait for a write in flight waits for what the passage holds. */
import {
  followSignal,
  forgetSignal,
  isSignal,
  isSignalAborted,
  reasonOf,
} from 'jsserve:internal/streams/natives';
import { beginPassage } from 'jsserve:internal/streams/passages';
import { acquireDefaultReader, readDefault, releaseDefault } from 'jsserve:internal/streams/readable_default';
import { readableCancel } from 'jsserve:internal/streams/readable_state';
import {
  haltPass,
  passEnded,
  writableAbort,
  writableCloseQueued,
} from 'jsserve:internal/streams/writable_state';
import {
  acquireWriter,
  releaseWriter,
  writerCloseForPipe,
  writerWrite,
} from 'jsserve:internal/streams/writable_writer';
import { deferred, newTypeError, resolved, then, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary } from 'jsserve:internal/webidl/webidl';

const noop = () => undefined;

/* How a passage ended (pipe.rs). */
const ENDED = 0,
  SOURCE_FAILED = 2,
  SINK_FAILED = 3;
const ended = (source, target, pass, how, error) => {
  passEnded(target, pass, how === SINK_FAILED ? { __proto__: null, error } : undefined);
  if (how === ENDED) source.feed.ended(source);
  else if (how === SOURCE_FAILED) source.feed.failed(source, error);
};
/* Begins a passage: a promise that all is written that it took. */
const begin = (source, target) => {
  const { passage, outcome } = beginPassage(source.feed.open(source), target.drain.open(target));
  const pass = { __proto__: null, passage, written: deferred() };
  target.pass = pass;
  then(
    outcome,
    ({ how, error }) => ended(source, target, pass, how, error),
    (error) => ended(source, target, pass, SINK_FAILED, error),
  );
  return pass.written.promise;
};
const isNative = (source, target) =>
  source.feed !== undefined &&
  target.drain !== undefined &&
  source.state === 'readable' &&
  target.state === 'writable' &&
  !writableCloseQueued(target);
/* Whether nothing is on the way in either stream. */
const isIdle = ({ controller: from }, { controller: to, writing }) =>
  from.total === 0 &&
  !from.pulling &&
  from.pending.length === 0 &&
  writing === undefined &&
  to.queue.list.length === 0;

export const pipeOptions = (options) => {
  const given = dictionary(options, 'options');
  const preventAbort = !!given.preventAbort;
  const preventCancel = !!given.preventCancel;
  const preventClose = !!given.preventClose;
  const { signal } = given;
  if (signal !== undefined && !isSignal(signal)) typeError('signal is no AbortSignal');
  return { __proto__: null, preventAbort, preventCancel, preventClose, signal };
};

const finalize = (p, failedWith) => {
  releaseWriter(p.writer);
  releaseDefault(p.reader);
  if (p.follower !== undefined) forgetSignal(p.signal, p.follower);
  if (failedWith !== undefined) p.end.reject(failedWith.error);
  else p.end.resolve(undefined);
};
/* A promise that all is written that was read. */
const written = (p) => {
  const seen = p.lastWrite;
  return then(seen, () => (seen === p.lastWrite ? undefined : written(p)));
};
const shutDown = (p, failedWith, action = undefined) => {
  if (p.shuttingDown) return;
  p.shuttingDown = true;
  haltPass(p.target);
  const rest = () => {
    if (action === undefined) finalize(p, failedWith);
    else
      then(
        action(),
        () => finalize(p, failedWith),
        (error) => finalize(p, { __proto__: null, error }),
      );
  };
  if (p.target.state === 'writable' && !writableCloseQueued(p.target)) then(written(p), rest);
  else rest();
};
const cancelSource = (p, error) =>
  shutDown(
    p,
    { __proto__: null, error },
    p.preventCancel ? undefined : () => readableCancel(p.source, error),
  );
const abortTarget = (p, error) =>
  shutDown(p, { __proto__: null, error }, p.preventAbort ? undefined : () => writableAbort(p.target, error));
/* The signal's algorithm: both ends at once. */
const abortBoth = (p) => {
  const { source, target } = p;
  const error = reasonOf(p.signal);
  const both = () => {
    const first =
      !p.preventAbort && target.state === 'writable' ? writableAbort(target, error) : resolved(undefined);
    const second =
      !p.preventCancel && source.state === 'readable' ? readableCancel(source, error) : resolved(undefined);
    const answer = deferred();
    let open = 2;
    const one = () => {
      if (--open === 0) answer.resolve(undefined);
    };
    then(first, one, answer.reject);
    then(second, one, answer.reject);
    return answer.promise;
  };
  shutDown(p, { __proto__: null, error }, both);
};

const whenErrored = (stream, closed, action) => {
  if (stream.state === 'errored') action(stream.storedError);
  else then(closed, undefined, action);
};
/* Hears of either stream's end. */
const watchEnds = (p) => {
  const { source, target, reader, writer } = p;
  whenErrored(source, reader.closed.promise, (error) => abortTarget(p, error));
  whenErrored(target, writer.closed.promise, (error) => cancelSource(p, error));
  const done = () => shutDown(p, undefined, p.preventClose ? undefined : () => writerCloseForPipe(writer));
  if (source.state === 'closed') done();
  else then(reader.closed.promise, done, noop);
  const lost = () => {
    if (!p.shuttingDown) cancelSource(p, newTypeError('the destination is closing, or closed'));
  };
  // A socket's closes while it is locked, with the peer's end.
  if (writableCloseQueued(target) || target.state === 'closed') lost();
  else then(writer.closed.promise, lost, noop);
};

/* Moves chunk after chunk, or begins a passage. */
const move = (p) => {
  const { source, target, reader, writer } = p;
  const ready = p.lastWrite;
  const request = {
    __proto__: null,
    // The source may have enqueued the chunk just now: its sink is not called inside of that call.
    chunk: (chunk) => {
      p.lastWrite = then(ready, () => {
        if (writer.stream === undefined) return undefined;
        const write = writerWrite(writer, chunk);
        if (isNative(source, target)) then(written(p), step);
        else step();
        return then(write, undefined, noop);
      });
    },
    close: noop,
    error: noop,
  };
  const read = () => {
    if (!p.shuttingDown) readDefault(reader, request);
  };
  const step = () => {
    if (p.shuttingDown) return;
    if (isNative(source, target)) {
      const { controller } = source.controller.started ? target : source;
      if (!controller.started) {
        then(controller.starting, step);
        return;
      }
      if (isIdle(source, target)) {
        p.lastWrite = begin(source, target);
        return;
      }
    }
    then(writer.ready.promise, read, noop);
  };
  step();
};

export const pipe = (source, target, { preventAbort, preventCancel, preventClose, signal }) => {
  const reader = acquireDefaultReader(source);
  const writer = acquireWriter(target);
  source.disturbed = true;
  const p = {
    __proto__: null,
    source,
    target,
    reader,
    writer,
    preventAbort,
    preventCancel,
    preventClose,
    signal,
    end: deferred(),
    shuttingDown: false,
    lastWrite: resolved(undefined),
    follower: undefined,
  };
  if (signal !== undefined) {
    const abort = () => abortBoth(p);
    if (isSignalAborted(signal)) {
      abort();
      return p.end.promise;
    }
    p.follower = abort;
    followSignal(signal, abort);
  }
  watchEnds(p);
  move(p);
  return p.end.promise;
};
