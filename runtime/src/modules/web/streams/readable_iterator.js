/* The asynchronous iterator of a stream (Streams Standard, section 4.2.5; Web IDL, section 3.7.10).
 * Owns: the line in which calls stand. Must not know: the class of streams, how a call is made (fast.rs). */
import { asIterators, endIterator, newIterator } from 'jsserve:internal/streams/natives';
import { openReads, readDefault, releaseDefault } from 'jsserve:internal/streams/readable_default';
import { readableCancel, shutReads } from 'jsserve:internal/streams/readable_state';
import {
  fail,
  fulfil,
  job,
  newAnswer,
  promised,
  promiseOf,
  resolved,
  then,
} from 'jsserve:internal/webidl/natives';

/* The end of a call: the line is empty again, unless another stands in it. */
const leave = (it) => {
  if (it.ongoing === it.promise) it.ongoing = undefined;
  it.promise = undefined;
};
const giveChunk = (it, value) => {
  leave(it);
  fulfil(it.answer, { value, done: false });
};
const giveEnd = (it) => {
  leave(it);
  fulfil(it.answer, { value: undefined, done: true });
};
const giveError = (it, error) => {
  leave(it);
  fail(it.answer, error);
};
/* Its reader goes with it. */
const finish = (it) => {
  it.finished = true;
  endIterator(it.self);
  releaseDefault(it.reader);
};
/* One request for all calls, of which one at a time reads. A call ends a job after its read. */
const requestOf = (it) => ({
  __proto__: null,
  chunk: (value) => job(giveChunk, it, value),
  alone: (value) => giveChunk(it, value),
  close: () => {
    finish(it);
    job(giveEnd, it);
  },
  error: (error) => {
    finish(it);
    job(giveError, it, error);
  },
});
const nextStep = (it) => {
  if (it.finished) return resolved({ value: undefined, done: true });
  const promise = promised(it.answer);
  it.promise = promise;
  readDefault(it.reader, it.request);
  return promise;
};
const returnStep = (it, value) => {
  if (it.finished) return resolved({ value, done: true });
  let end = resolved(undefined);
  if (!it.keep) end = readableCancel(it.reader.stream, value);
  finish(it);
  return then(end, () => ({ value, done: true }));
};
/* Calls stand in line: each begins when the one before it has ended. */
const inLine = (it, step) => {
  const run = () => step(it);
  const promise = it.ongoing === undefined ? run() : then(it.ongoing, run, run);
  it.ongoing = promise;
  return promise;
};
const next = (it) => {
  if (!it.finished) {
    shutReads(it.reader.stream);
    if (it.ongoing === undefined) {
      const promise = openReads(it.reader);
      if (promise !== undefined) return promise;
    }
  }
  return inLine(it, nextStep);
};
const end = (it, value) => {
  if (!it.finished) shutReads(it.reader.stream);
  return inLine(it, (current) => returnStep(current, value));
};
export const someGenerator = async function* () {};
export const iterate = (reader, keep) => {
  const it = {
    __proto__: null,
    self: undefined,
    reader,
    keep,
    finished: false,
    ongoing: undefined,
    promise: undefined,
    answer: newAnswer(),
    request: undefined,
  };
  it.request = requestOf(it);
  // A read that waits on the short way becomes a call that stands in line.
  reader.requestFor = (answer) => {
    it.answer = answer;
    it.promise = it.ongoing = promiseOf(answer);
    return it.request;
  };
  it.self = newIterator(it, reader.fast);
  return it.self;
};

asIterators(next, end, someGenerator);
