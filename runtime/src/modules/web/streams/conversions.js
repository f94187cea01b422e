/* What the stream classes make of their arguments (Streams Standard, sections 7.4 and 8).
 * Owns: nothing at run time. Must not know: streams. */
import { call, floor, rangeError, rejected, resolved, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject } from 'jsserve:internal/webidl/webidl';

/* What only this folder can give to a constructor that is not for scripts. */
export const TOKEN = { __proto__: null };

export const optionalObject = (value, what) => {
  if (value === undefined) return null;
  if (!isObject(value)) typeError(`${what} must be an object`);
  return value;
};
export const callbackOf = (holder, name) => {
  const f = holder[name];
  if (f !== undefined && typeof f !== 'function') typeError(`${name} must be a function`);
  return f;
};
export const enforced = (value, what, min) => {
  let number = +value;
  if (number - number !== 0) typeError(`${what} must be a finite number`);
  number = number < 0 ? -floor(-number) : floor(number);
  if (number < min || number > 9007199254740991) typeError(`${what} is out of range`);
  return number === 0 ? 0 : number;
};

/* QueuingStrategy: converted, with its defaults applied (section 7.4). */
export const convertStrategy = (value) => {
  const given = dictionary(value, 'strategy');
  const mark = given.highWaterMark;
  const highWaterMark = mark === undefined ? undefined : +mark;
  return { __proto__: null, highWaterMark, size: callbackOf(given, 'size') };
};
export const highWaterMarkOf = (strategy, otherwise) => {
  const mark = strategy.highWaterMark;
  if (mark === undefined) return otherwise;
  if (!(mark >= 0)) rangeError('highWaterMark must be a number that is not negative');
  return mark;
};
export const sizeOf = ({ size }) => (size === undefined ? () => 1 : (chunk) => +call(size, undefined, chunk));

/* A method of an underlying source, sink or transformer, as an algorithm that returns a promise. It is
 * called with `count` arguments. */
export const algorithmOf = (holder, f, count) =>
  f === undefined
    ? () => resolved(undefined)
    : (a, b) => {
        try {
          if (count === 0) return resolved(call(f, holder));
          return resolved(count === 1 ? call(f, holder, a) : call(f, holder, a, b));
        } catch (error) {
          return rejected(error);
        }
      };
/* `start` may return anything, and throws where it is called. */
const nothing = () => undefined;
export const starterOf = (holder, f, controller) =>
  f === undefined ? nothing : () => call(f, holder, controller());
