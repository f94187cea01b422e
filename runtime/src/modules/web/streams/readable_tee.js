/* Tee: two streams of one (Streams Standard, section 4.9.1).
 * Owns: what the branches have taken and cancelled. Must not know: public objects. */
import { cloneBytes, cloneChunk } from 'jsserve:internal/streams/natives';
import { acquireByobReader, readByob } from 'jsserve:internal/streams/readable_byob';
import {
  byobRequestOf,
  byteClose,
  byteEnqueue,
  byteError,
  byteRespond,
  byteRespondWithView,
  createReadableByteStream,
} from 'jsserve:internal/streams/readable_byte';
import {
  acquireDefaultReader,
  createReadable,
  defaultClose,
  defaultEnqueue,
  defaultError,
  readDefault,
  releaseByob,
  releaseDefault,
} from 'jsserve:internal/streams/readable_default';
import { microtask, readableCancel } from 'jsserve:internal/streams/readable_state';
import { deferred, resolved, then } from 'jsserve:internal/webidl/natives';

const newBranch = () => ({
  __proto__: null,
  again: false,
  canceled: false,
  reason: undefined,
  stream: undefined,
});
const either = ({ one, two }) => !one.canceled || !two.canceled;
const cancelOf = (t, branch) => (reason) => {
  branch.canceled = true;
  branch.reason = reason;
  if (!either(t)) t.ended.resolve(readableCancel(t.stream, [t.one.reason, t.two.reason]));
  return t.ended.promise;
};

/* ReadableStreamDefaultTee. */
const teeChunk = (t, chunk, copied) => {
  const { one, two } = t;
  t.again = false;
  let second = chunk;
  try {
    if (copied && !two.canceled) second = cloneChunk(chunk);
  } catch (error) {
    defaultError(one.stream.controller, error);
    defaultError(two.stream.controller, error);
    t.ended.resolve(readableCancel(t.stream, error));
    return;
  }
  if (!one.canceled) defaultEnqueue(one.stream.controller, chunk);
  if (!two.canceled) defaultEnqueue(two.stream.controller, second);
  t.reading = false;
  if (t.again) t.pull();
};
const teeDefault = (stream, copied) => {
  const reader = acquireDefaultReader(stream);
  const one = newBranch();
  const two = newBranch();
  const t = {
    __proto__: null,
    stream,
    one,
    two,
    ended: deferred(),
    reading: false,
    again: false,
    pull: undefined,
  };
  const request = {
    __proto__: null,
    chunk: (chunk) => microtask(() => teeChunk(t, chunk, copied)),
    close: () => {
      t.reading = false;
      if (!one.canceled) defaultClose(one.stream.controller);
      if (!two.canceled) defaultClose(two.stream.controller);
      if (either(t)) t.ended.resolve(undefined);
    },
    error: () => {
      t.reading = false;
    },
  };
  t.pull = () => {
    if (t.reading) {
      t.again = true;
    } else {
      t.reading = true;
      readDefault(reader, request);
    }
    return resolved(undefined);
  };
  one.stream = createReadable(() => undefined, t.pull, cancelOf(t, one));
  two.stream = createReadable(() => undefined, t.pull, cancelOf(t, two));
  then(reader.closed.promise, undefined, (error) => {
    defaultError(one.stream.controller, error);
    defaultError(two.stream.controller, error);
    if (either(t)) t.ended.resolve(undefined);
  });
  return [one.stream, two.stream];
};

/* ReadableByteStreamTee. */
const forwardError = (t) => {
  const { reader, one, two } = t;
  then(reader.closed.promise, undefined, (error) => {
    if (reader !== t.reader) return;
    byteError(one.stream.controller, error);
    byteError(two.stream.controller, error);
    if (either(t)) t.ended.resolve(undefined);
  });
};
const failBytes = (t, error) => {
  byteError(t.one.stream.controller, error);
  byteError(t.two.stream.controller, error);
  t.ended.resolve(readableCancel(t.stream, error));
};
const goOn = (t) => {
  t.reading = false;
  if (t.one.again) pullBytes(t, t.one, t.two);
  else if (t.two.again) pullBytes(t, t.two, t.one);
};
const answerRest = ({ stream: { controller } }) => {
  if (controller.pending.length > 0) byteRespond(controller, 0);
};
/* A copy for the other branch; undefined where there is no memory, which ends both. */
const copyFor = (t, chunk) => {
  try {
    return cloneBytes(chunk);
  } catch (error) {
    failBytes(t, error);
    return undefined;
  }
};

const pullByDefault = (t) => {
  const { one, two } = t;
  if (t.reader.byob) {
    releaseByob(t.reader);
    t.reader = acquireDefaultReader(t.stream);
    forwardError(t);
  }
  readDefault(t.reader, {
    __proto__: null,
    chunk: (chunk) =>
      microtask(() => {
        one.again = two.again = false;
        const copy = !one.canceled && !two.canceled ? copyFor(t, chunk) : chunk;
        if (copy === undefined) return;
        if (!one.canceled) byteEnqueue(one.stream.controller, chunk);
        if (!two.canceled) byteEnqueue(two.stream.controller, copy);
        goOn(t);
      }),
    close: () => {
      t.reading = false;
      if (!one.canceled) byteClose(one.stream.controller);
      if (!two.canceled) byteClose(two.stream.controller);
      answerRest(one);
      answerRest(two);
      if (either(t)) t.ended.resolve(undefined);
    },
    error: () => {
      t.reading = false;
    },
  });
};

const pullByByob = (t, view, branch, other) => {
  if (!t.reader.byob) {
    releaseDefault(t.reader);
    t.reader = acquireByobReader(t.stream);
    forwardError(t);
  }
  readByob(t.reader, view, 1, {
    __proto__: null,
    chunk: (chunk) =>
      microtask(() => {
        t.one.again = t.two.again = false;
        if (!other.canceled) {
          const copy = copyFor(t, chunk);
          if (copy === undefined) return;
          if (!branch.canceled) byteRespondWithView(branch.stream.controller, chunk);
          byteEnqueue(other.stream.controller, copy);
        } else if (!branch.canceled) {
          byteRespondWithView(branch.stream.controller, chunk);
        }
        goOn(t);
      }),
    close: (chunk) => {
      t.reading = false;
      if (!branch.canceled) byteClose(branch.stream.controller);
      if (!other.canceled) byteClose(other.stream.controller);
      if (chunk !== undefined) {
        if (!branch.canceled) byteRespondWithView(branch.stream.controller, chunk);
        if (!other.canceled) answerRest(other);
      }
      if (either(t)) t.ended.resolve(undefined);
    },
    error: () => {
      t.reading = false;
    },
  });
};

const pullBytes = (t, branch, other) => {
  if (t.reading) {
    branch.again = true;
    return resolved(undefined);
  }
  t.reading = true;
  const request = byobRequestOf(branch.stream.controller);
  if (request === null) pullByDefault(t);
  else pullByByob(t, request.view, branch, other);
  return resolved(undefined);
};

const teeBytes = (stream) => {
  const reader = acquireDefaultReader(stream);
  const one = newBranch();
  const two = newBranch();
  const t = { __proto__: null, stream, reader, one, two, ended: deferred(), reading: false };
  one.stream = createReadableByteStream(
    () => undefined,
    () => pullBytes(t, one, two),
    cancelOf(t, one),
  );
  two.stream = createReadableByteStream(
    () => undefined,
    () => pullBytes(t, two, one),
    cancelOf(t, two),
  );
  forwardError(t);
  return [one.stream, two.stream];
};

/** Two streams with the chunks of one; `copied`: the second has copies. */
export const readableTee = (stream, copied = false) =>
  stream.controller.bytes ? teeBytes(stream) : teeDefault(stream, copied);
