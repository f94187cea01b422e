/* The asynchronous iterator of a stream (Streams Standard, section 4.2.5; Web IDL, section 3.7.10).
 * Owns: its class, the line in which calls stand. Must not know: the class of streams. */
import { asIterator } from 'jsserve:internal/streams/natives';
import { readDefault, releaseDefault } from 'jsserve:internal/streams/readable_default';
import { readableCancel } from 'jsserve:internal/streams/readable_state';
import {
  fail,
  fulfil,
  job,
  newAnswer,
  newTypeError,
  promised,
  rejected,
  resolved,
  then,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

let iteratorOf;
class ReadableStreamAsyncIterator {
  #it;
  static {
    iteratorOf = (value) => (isObject(value) && #it in value ? value.#it : undefined);
  }
  constructor(it) {
    this.#it = it;
  }
}
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
/* One request for all calls, of which one at a time reads. A call ends a job after its read. */
const requestOf = (it) => ({
  __proto__: null,
  chunk: (value) => job(giveChunk, it, value),
  alone: (value) => giveChunk(it, value),
  close: () => {
    it.finished = true;
    releaseDefault(it.reader);
    job(giveEnd, it);
  },
  error: (error) => {
    it.finished = true;
    releaseDefault(it.reader);
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
  it.finished = true;
  let end = resolved(undefined);
  if (it.keep) releaseDefault(it.reader);
  else {
    end = readableCancel(it.reader.stream, value);
    releaseDefault(it.reader);
  }
  return then(end, () => ({ value, done: true }));
};
/* Calls stand in line: each begins when the one before it has ended. */
const inLine = (it, step) => {
  const run = () => step(it);
  const promise = it.ongoing === undefined ? run() : then(it.ongoing, run, run);
  it.ongoing = promise;
  return promise;
};
const methods = {
  next() {
    const it = iteratorOf(this);
    if (it === undefined)
      return rejected(newTypeError('next called on an object that is no stream iterator'));
    return inLine(it, nextStep);
  },
  return(value) {
    const it = iteratorOf(this);
    if (it === undefined)
      return rejected(newTypeError('return called on an object that is no stream iterator'));
    return inLine(it, (current) => returnStep(current, value));
  },
};
export const iteratorClass = ReadableStreamAsyncIterator;
export const iteratorMethods = methods;
export const someGenerator = async function* () {};
export const iterate = (reader, keep) => {
  const it = {
    __proto__: null,
    reader,
    keep,
    finished: false,
    ongoing: undefined,
    promise: undefined,
    answer: newAnswer(),
    request: undefined,
  };
  it.request = requestOf(it);
  return new ReadableStreamAsyncIterator(it);
};

asIterator(ReadableStreamAsyncIterator, methods, someGenerator);
