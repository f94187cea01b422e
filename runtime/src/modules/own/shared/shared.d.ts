/*
 * Maps that all workers of an app share. Module variables are one per worker; what must be one
 * for the whole app lives here. Everything is synchronous and atomic per key.
 *
 *     import shared from "jsserve:shared"
 *     const notes = shared.map("notes", { bytesMax: 16 << 20 })
 */

export interface MapOptions {
  /**
   * Bound of all entries together in bytes, never exceeded; 64 MiB if not given. An entry counts
   * 144 bytes, its key in UTF-8 and its value as a structured clone, both rounded up to 16 (a
   * number counts nothing beyond the 144). That is close to the memory it really takes.
   */
  bytesMax?: number;
  /**
   * When there is no room: "error" (the default) throws SharedFullError; "evict" removes the entries
   * that were not used for longest, approximately (the oldest of samples of eight). Expired entries
   * always go first. A value that alone is larger than bytesMax is an error in both cases.
   */
  onFull?: "error" | "evict";
  /** Lifetime in milliseconds of entries that are not given one; for ever if not given. */
  ttl?: number;
}

export interface SharedMap<V = unknown> {
  /** A copy of the value, undefined if there is none. */
  get(key: string): V | undefined;
  /**
   * Stores a copy (structured clone). Replaces an earlier value and its lifetime: with `ttl` it is
   * gone that many milliseconds from now, without it the map's `ttl` holds.
   */
  set(key: string, value: V, options?: { ttl?: number }): void;
  has(key: string): boolean;
  /** Whether there was a value. */
  delete(key: string): boolean;
  /**
   * Adds to a number and returns the sum; a missing key counts as 0. An atomic add: no increment is
   * lost. Exact up to 2^53. Keeps the lifetime of what was there. TypeError if the value is no number.
   */
  incr(key: string, by?: number): number;
  /**
   * Replaces the value by what `fn` makes of it (undefined removes it) and returns that. If another
   * worker, or `fn` itself, changed the key meanwhile, `fn` is called again with the new value, at
   * most 1,000 times, then SharedContentionError is thrown. No lock is held while `fn` runs: it may
   * use the map. `fn` is synchronous; a promise cannot be stored. Keeps the lifetime.
   */
  update(key: string, fn: (old: V | undefined) => V | undefined): V | undefined;
  /** The keys that begin with `prefix`, in no order. Not a snapshot of one moment. */
  keys(options?: { prefix?: string }): string[];
  entries(options?: { prefix?: string }): [string, V][];
  /** How many entries there are; expired ones are not counted. */
  readonly size: number;
  clear(): void;
}

/**
 * Opens the map of that name, the same one in all workers. The first call decides the options; a
 * later one that gives others throws a TypeError, one that gives none takes the map as it is.
 * At most 1,000 maps; names and keys are strings of 1 to 1,024 bytes in UTF-8 (else RangeError;
 * a lone surrogate counts as U+FFFD).
 *
 * Errors have a `name` and a `code`, and are RangeErrors:
 * SharedFullError ERR_SHARED_FULL, SharedContentionError ERR_SHARED_CONTENTION,
 * SharedMapsError ERR_SHARED_MAPS. A value that cannot be cloned throws DataCloneError.
 */
export function map<V = unknown>(name: string, options?: MapOptions): SharedMap<V>;

/**
 * Sends `data` to all subscribers of a topic, WebSockets and EventStreams, on all workers: from a handler, a script's
 * thread, an `os.Worker`. What one publisher publishes reaches each subscriber in that order. It waits for nobody: a
 * worker that has more than --mailbox-max waiting loses the message, which the log counts.
 * @param topic 1 to 1,024 bytes in UTF-8 (else RangeError)
 * @returns how many subscribers of the publisher's own thread it was given to; those of others are not known here
 */
export function publish(topic: string, data: string | ArrayBuffer | ArrayBufferView): number;

declare const shared: { map: typeof map; publish: typeof publish };
export default shared;
