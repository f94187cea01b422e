/* Streams as bodies (Streams Standard, section 9, and Fetch, section 5.2): streams over native sources,
 * and what native code does with the streams of an app.
 * Owns: nothing at run time. Must not know: requests, sockets. */
import { cloneBytes, encode, UINT8, viewOf } from 'jsserve:internal/streams/natives';
import { pipe, pipeOptions } from 'jsserve:internal/streams/pipe';
import {
  byteClose,
  byteError,
  byteGive,
  byteRespond,
  createReadableByteStream,
} from 'jsserve:internal/streams/readable_byte';
import { acquireDefaultReader, readDefault, readerCancel } from 'jsserve:internal/streams/readable_default';
import { fromIterable } from 'jsserve:internal/streams/readable_from';
import {
  microtask,
  readableClose,
  readableLocked,
  readableOf,
} from 'jsserve:internal/streams/readable_state';
import { readableTee } from 'jsserve:internal/streams/readable_tee';
import {
  cancelSource,
  endSink,
  failSink,
  gather,
  gathered,
  isBuffer,
  pullSource,
  putChunk,
} from 'jsserve:internal/streams/sources';
import { createTransform } from 'jsserve:internal/streams/transform';
import { deferred, handled, resolved, then } from 'jsserve:internal/webidl/natives';

const nothing = () => undefined;

/* What such a stream does for a pipe that takes its bytes. */
const feed = {
  __proto__: null,
  open: ({ native }) => native,
  ended: ({ controller }) => byteClose(controller),
  failed: ({ controller }, error) => byteError(controller, error),
};

/* A byte stream over a native source; pulled only when somebody reads. */
export const ofSource = (source) => {
  const pull = () =>
    then(pullSource(source), (next) => {
      const c = stream.controller;
      if (stream.state !== 'readable') return;
      if (next !== undefined) {
        byteGive(c, next.bytes, false);
        return;
      }
      byteClose(c);
      if (c.pending.length > 0) byteRespond(c, 0);
    });
  const cancel = () => {
    cancelSource(source);
    return resolved(undefined);
  };
  const stream = createReadableByteStream(nothing, pull, cancel);
  stream.native = source;
  stream.feed = feed;
  return stream.self;
};

/* Ends a stream over a native source, whoever reads it. */
export const fail = (object, reason) => {
  byteError(readableOf(object).controller, reason);
};

/* The stream of a body that was used up before anybody asked for a stream. */
export const spent = () => {
  const done = () => resolved(undefined);
  const stream = createReadableByteStream(nothing, done, done);
  acquireDefaultReader(stream);
  stream.disturbed = true;
  readableClose(stream);
  return stream.self;
};

export const isDisturbed = (object) => readableOf(object).disturbed;
const usable = (stream) => !stream.disturbed && !readableLocked(stream);
export const isUsable = (object) => usable(readableOf(object));

/* Takes what is in a stream, which stays locked: undefined where somebody has begun to; its native
 * source where it has one, else a reader. */
export const seize = (object) => {
  const stream = readableOf(object);
  if (!usable(stream)) return undefined;
  const reader = acquireDefaultReader(stream);
  const source = stream.native;
  if (source === undefined || stream.state !== 'readable') return reader;
  stream.disturbed = true;
  readableClose(stream);
  return source;
};

/* Two streams with the same bytes ("clone a body"). */
export const fork = (object) => {
  const branches = readableTee(readableOf(object), true);
  return { __proto__: null, one: branches[0].self, two: branches[1].self };
};

/* A stream that takes the place of another ("create a proxy"). */
export const proxy = (object) => {
  const stream = readableOf(object);
  if (stream.native !== undefined && usable(stream) && stream.state === 'readable')
    return ofSource(seize(object));
  const through = createTransform((chunk, put) => put(chunk), nothing);
  handled(pipe(stream, through.writable, pipeOptions(undefined)));
  return through.readable.self;
};

/* An iterable's chunks may be strings and buffers of any kind. */
export const ofIterable = (iterable) =>
  fromIterable(iterable, (chunk) => {
    if (typeof chunk === 'string') return encode(chunk, true) ?? cloneBytes(undefined);
    const view = viewOf(chunk);
    return (view !== undefined && view.kind === UINT8) || !isBuffer(chunk) ? chunk : cloneBytes(chunk);
  });

/* Reads one chunk into a native sink. */
export const readInto = (reader, sink) =>
  readDefault(reader, {
    __proto__: null,
    chunk: (chunk) => {
      const error = putChunk(sink, chunk);
      if (error !== undefined) handled(readerCancel(reader, error));
    },
    close: () => {
      endSink(sink);
    },
    error: (error) => {
      failSink(sink, error);
    },
  });
export const giveUp = (reader, reason) => {
  handled(readerCancel(reader, reason));
};

/* Reads all into a native collector: a promise of what it makes of it. */
export const collect = (reader, collector) => {
  const answer = deferred();
  const request = {
    __proto__: null,
    chunk: (chunk) => {
      try {
        gather(collector, chunk);
        microtask(read);
      } catch (error) {
        handled(readerCancel(reader, error));
        answer.reject(error);
      }
    },
    close: () => {
      try {
        answer.resolve(gathered(collector));
      } catch (error) {
        answer.reject(error);
      }
    },
    error: answer.reject,
  };
  const read = () => readDefault(reader, request);
  read();
  return answer.promise;
};
