/* Streams that are transferred (Streams Standard, sections 4.2.5, 5.2.5, 6.2.4 and 8.2).
 * Owns: the two halves of a stream that was moved. Must not know: ports: both halves are in one engine,
 * and what they send each other arrives, copied, in tasks. */
import { task } from 'jsserve:internal/messaging/tasks';
import { cloneChunk } from 'jsserve:internal/streams/natives';
import { pipe, pipeOptions } from 'jsserve:internal/streams/pipe';
import {
  createReadable,
  defaultCanEnqueue,
  defaultClose,
  defaultEnqueue,
  defaultError,
} from 'jsserve:internal/streams/readable_default';
import { readableLocked, readableOf } from 'jsserve:internal/streams/readable_state';
import { transformOf, wrapTransform } from 'jsserve:internal/streams/transform';
import { createWritable } from 'jsserve:internal/streams/writable';
import { writableErrorIfNeeded, writableLocked, writableOf } from 'jsserve:internal/streams/writable_state';
import {
  asPlatformObjects,
  deferred,
  handled,
  rejected,
  resolved,
  then,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

const nothing = () => undefined;

/* Two ends that send each other (kind, value); a closed one sends nothing, and hears nothing. */
const entangled = () => {
  const end = () => ({ __proto__: null, open: true, hear: nothing, other: undefined });
  const one = end(),
    two = end();
  one.other = two;
  two.other = one;
  return { __proto__: null, one, two };
};
const post = (end, kind, value) => {
  const copy = cloneChunk(value);
  if (!end.open) return;
  task(() => {
    if (end.other.open) end.other.hear(kind, copy);
  });
};
const close = (end) => {
  end.open = false;
};
/* Sends; where the value cannot be copied, its error: a promise of neither. */
const send = (end, kind, value) => {
  try {
    post(end, kind, value);
    return resolved(undefined);
  } catch (error) {
    try {
      post(end, 'error', error);
    } catch {
      post(end, 'error', undefined);
    }
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
    if (kind === 'error') writableErrorIfNeeded(stream.controller, value);
    unblock();
  };
  const write = (chunk) =>
    then(blocked === undefined ? resolved(undefined) : blocked.promise, () => {
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
  const stream = createWritable(nothing, write, finish, abort);
  return stream;
};

const readableEnd = (end) => {
  end.hear = (kind, value) => {
    const c = stream.controller;
    if (kind === 'chunk') {
      if (defaultCanEnqueue(c)) defaultEnqueue(c, value);
      return;
    }
    close(end);
    if (kind === 'error') defaultError(c, value);
    else if (defaultCanEnqueue(c)) defaultClose(c);
  };
  const pull = () => {
    post(end, 'pull', undefined);
    return resolved(undefined);
  };
  const cancel = (reason) => send(end, 'error', reason);
  const stream = createReadable(nothing, pull, cancel, 0);
  return stream;
};

const options = () => pipeOptions(undefined);
const moveReadable = (stream) => {
  const { one, two } = entangled();
  handled(pipe(stream, writableEnd(one), options()));
  return readableEnd(two);
};
const moveWritable = (stream) => {
  const { one, two } = entangled();
  handled(pipe(readableEnd(one), stream, options()));
  return writableEnd(two);
};

const parts = (value) => {
  if (!isObject(value)) return undefined;
  const readable = readableOf(value),
    writable = readable === undefined ? writableOf(value) : undefined;
  if (readable !== undefined || writable !== undefined)
    return { __proto__: null, readable, writable, transform: false };
  const both = transformOf(value);
  return both === undefined
    ? undefined
    : { __proto__: null, readable: both.readable, writable: both.writable, transform: true };
};
const isTransferable = (value) => {
  const found = parts(value);
  if (found === undefined) return undefined;
  const { readable, writable } = found;
  return (
    !(readable !== undefined && readableLocked(readable)) &&
    !(writable !== undefined && writableLocked(writable))
  );
};
const transfer = (value) => {
  const { readable, writable, transform } = parts(value);
  if (transform) return wrapTransform(moveReadable(readable), moveWritable(writable));
  return (readable === undefined ? moveWritable(writable) : moveReadable(readable)).self;
};
const platformName = (value) => {
  const found = parts(value);
  if (found === undefined) return undefined;
  return found.transform
    ? 'TransformStream'
    : found.readable === undefined
      ? 'WritableStream'
      : 'ReadableStream';
};

asPlatformObjects({ __proto__: null, platformName, isTransferable, transfer });
