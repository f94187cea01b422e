/* Streams of iterables (Streams Standard, section 4.9.1, ReadableStreamFromIterable).
 * Owns: the iterators of both kinds. Must not know: public objects. */
import { createReadable, defaultClose, defaultEnqueue } from 'jsserve:internal/streams/readable_default';
import {
  asyncIteratorSymbol,
  call,
  iteratorSymbol,
  rejected,
  resolved,
  then,
  typeError,
} from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

/* GetIterator of kind async (ECMA-262 section 7.4.4), with a synchronous one as its fallback. */
const method = (object, key, what) => {
  const f = object[key];
  if (f === undefined || f === null) return undefined;
  return typeof f === 'function' ? f : typeError(`${what} is not a function`);
};
const opened = (f, iterable) => {
  const iterator = call(f, iterable);
  if (!isObject(iterator)) typeError('the iterator is not an object');
  return iterator;
};
const iteratorOver = (iterable) => {
  if (iterable === undefined || iterable === null) typeError('ReadableStream.from needs an iterable');
  const own = method(iterable, asyncIteratorSymbol, '[Symbol.asyncIterator]');
  if (own !== undefined) {
    const iterator = opened(own, iterable);
    return { __proto__: null, iterator, next: iterator.next };
  }
  const plain = method(iterable, iteratorSymbol, '[Symbol.iterator]');
  if (plain === undefined) typeError('ReadableStream.from needs an iterable');
  const inner = opened(plain, iterable);
  const { next } = inner;
  const step = (result) => {
    if (!isObject(result)) typeError('the result of the iterator is not an object');
    const done = !!result.done;
    return then(resolved(result.value), (value) => ({ value, done }));
  };
  const iterator = {
    __proto__: null,
    return: (reason) => {
      const end = method(inner, 'return', 'return');
      return end === undefined ? { value: reason, done: true } : step(call(end, inner, reason));
    },
  };
  return { __proto__: null, iterator, next: () => step(call(next, inner)) };
};

/* ReadableStreamFromIterable (section 4.9.1). */
const from = (iterable, convert) => {
  const { iterator, next } = iteratorOver(iterable);
  let stream;
  const pull = () => {
    let promise;
    try {
      promise = resolved(call(next, iterator));
    } catch (error) {
      return rejected(error);
    }
    return then(promise, (result) => {
      if (!isObject(result)) typeError('the result of next() is not an object');
      if (result.done) defaultClose(stream.controller);
      else defaultEnqueue(stream.controller, convert === undefined ? result.value : convert(result.value));
    });
  };
  const cancel = (reason) => {
    let promise;
    try {
      const method = iterator.return;
      if (method === undefined || method === null) return resolved(undefined);
      if (typeof method !== 'function') typeError('return is not a function');
      promise = resolved(call(method, iterator, reason));
    } catch (error) {
      return rejected(error);
    }
    return then(promise, (result) => {
      if (!isObject(result)) typeError('the result of return() is not an object');
    });
  };
  stream = createReadable(() => undefined, pull, cancel, 0);
  return stream.self;
};
export const fromIterable = from;
