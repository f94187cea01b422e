/* Web Cryptography: `crypto`, section 10; `crypto.subtle` is in subtle.d.ts. */

interface Crypto {
  readonly subtle: SubtleCrypto;
  /** Fills `array` (an integer typed array of at most 65,536 bytes) and returns it. */
  getRandomValues<
    T extends
      | Int8Array
      | Uint8Array
      | Uint8ClampedArray
      | Int16Array
      | Uint16Array
      | Int32Array
      | Uint32Array
      | BigInt64Array
      | BigUint64Array,
  >(array: T): T;
  /** A version 4 UUID. */
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}

declare var Crypto: {
  prototype: Crypto;
};

declare var crypto: Crypto;
