/* QuotaExceededError (Web IDL, section 2.8.2).
 * Owns: the class. Must not know: who throws it. As events.js, it calls no method of a built-in object. */
(function (host, DOMException) {
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  /* A member of type double; undefined where there is none. */
  const number = (options, name) => {
    const given = options[name];
    if (given === undefined) return null;
    const value = +given;
    if (value - value !== 0) host.typeError(`QuotaExceededError: ${name} is not a finite number`);
    return value;
  };

  class QuotaExceededError extends DOMException {
    #quota = null; #requested = null;

    constructor(message = '', options = undefined) {
      super(message, 'QuotaExceededError');
      if (options === undefined || options === null) return;
      if (!isObject(options)) host.typeError('QuotaExceededError: the options are not an object');
      const quota = number(options, 'quota'), requested = number(options, 'requested');
      if (quota !== null && quota < 0) host.rangeError('QuotaExceededError: quota is negative');
      if (requested !== null && requested < 0) host.rangeError('QuotaExceededError: requested is negative');
      if (quota !== null && requested !== null && requested < quota) host.rangeError('QuotaExceededError: requested is less than quota');
      this.#quota = quota;
      this.#requested = requested;
    }

    get quota() { return this.#quota; }
    get requested() { return this.#requested; }
  }

  return QuotaExceededError;
})
