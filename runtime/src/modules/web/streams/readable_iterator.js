/* The asynchronous iterator of a stream (Streams Standard, section 4.2.5; Web IDL, section 3.7.10).
 * Owns: its class, the line in which calls stand. Must not know: the class of streams. */
import { asIterator } from 'jsserve:internal/streams/natives';
import { readDefault, releaseDefault } from 'jsserve:internal/streams/readable_default';
import { readableCancel } from 'jsserve:internal/streams/readable_state';
import { deferred, newTypeError, rejected, resolved, then } from 'jsserve:internal/webidl/natives';
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
const nextStep = (it) => {
  if (it.finished) return resolved({ value: undefined, done: true });
  const answer = deferred();
  readDefault(it.reader, {
    __proto__: null,
    chunk: (value) => answer.resolve({ __proto__: null, value, done: false }),
    close: () => {
      it.finished = true;
      releaseDefault(it.reader);
      answer.resolve({ __proto__: null, value: undefined, done: true });
    },
    error: (error) => {
      it.finished = true;
      releaseDefault(it.reader);
      answer.reject(error);
    },
  });
  return then(answer.promise, ({ value, done }) => ({ value, done }));
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
export const iterate = (reader, keep) =>
  new ReadableStreamAsyncIterator({ __proto__: null, reader, keep, finished: false, ongoing: undefined });

asIterator(ReadableStreamAsyncIterator, methods, someGenerator);
