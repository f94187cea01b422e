/* Errors of the platform: Web IDL, section 2.8. */

interface QuotaExceededErrorOptions {
  quota?: number;
  requested?: number;
}

/** There is no room for what was asked for: `crypto.getRandomValues` of more than 65,536 bytes. */
interface QuotaExceededError extends DOMException {
  /** What there was, where that is known. */
  readonly quota: number | null;
  /** What was asked for, where that is known. */
  readonly requested: number | null;
}

declare var QuotaExceededError: {
  prototype: QuotaExceededError;
  new (message?: string, options?: QuotaExceededErrorOptions): QuotaExceededError;
};

interface ErrorConstructor {
  /** Whether it is an error, a DOMException included, of whatever realm and prototype. */
  isError(value: unknown): value is Error;
}
