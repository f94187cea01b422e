/* What interfaces do with their arguments (Web IDL, section 3.2).
 * Owns: nothing at run time. Must not know: any interface. As all embedded modules it may be evaluated after an app
 * has patched prototypes: none of them calls a method of a built-in object. */
import { typeError } from 'jsserve:internal/webidl/natives';

export const isObject = (value) =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Throws unless the operation `what` was given enough arguments. */
export const requireArguments = (what, required, given) => {
  if (given < required)
    typeError(`${what}: ${required} argument${required > 1 ? 's' : ''} required, but only ${given} present`);
};

/** A dictionary, which may be left out. */
export const dictionary = (value, what = 'options') => {
  if (value === undefined || value === null) return { __proto__: null };
  if (!isObject(value)) typeError(`${what} must be an object`);
  return value;
};

/** A DOMString that may be left out. */
export const text = (value) => (value === undefined ? '' : `${value}`);
