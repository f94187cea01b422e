/* QuotaExceededError (Web IDL, section 2.8.2).
 * Owns: the class. Must not know: who throws it. */
import { DOMException } from 'jsserve:internal/errors/natives';
import { asInterface, rangeError, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary } from 'jsserve:internal/webidl/webidl';

/* A member of type double; undefined where there is none. */
const number = (options, name) => {
  const given = options[name];
  if (given === undefined) return null;
  const value = +given;
  if (value - value !== 0) typeError(`QuotaExceededError: ${name} is not a finite number`);
  return value;
};

export class QuotaExceededError extends DOMException {
  #quota = null;
  #requested = null;

  constructor(message = '', options = undefined) {
    super(message, 'QuotaExceededError');
    const given = dictionary(options, 'QuotaExceededError: options');
    const quota = number(given, 'quota'),
      requested = number(given, 'requested');
    if (quota !== null && quota < 0) rangeError('QuotaExceededError: quota is negative');
    if (requested !== null && requested < 0) rangeError('QuotaExceededError: requested is negative');
    if (quota !== null && requested !== null && requested < quota)
      rangeError('QuotaExceededError: requested is less than quota');
    this.#quota = quota;
    this.#requested = requested;
  }

  get quota() {
    return this.#quota;
  }
  get requested() {
    return this.#requested;
  }
}

asInterface(QuotaExceededError, 'QuotaExceededError', 'quota', 'requested');
