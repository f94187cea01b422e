/* The Web Locks API, section 3. */

type LockMode = "exclusive" | "shared";

interface LockOptions {
  mode?: LockMode;
  /** Does not wait: the callback gets null where the lock is taken. */
  ifAvailable?: boolean;
  /** Takes the lock away from whoever holds it. */
  steal?: boolean;
  /** Gives up waiting. */
  signal?: AbortSignal;
}

interface LockInfo {
  clientId: string;
  mode: LockMode;
  name: string;
}

interface LockManagerSnapshot {
  held: LockInfo[];
  pending: LockInfo[];
}

interface Lock {
  readonly name: string;
  readonly mode: LockMode;
}

declare var Lock: {
  prototype: Lock;
};

/**
 * Locks that all workers of the process share, and the threads of `os.Worker`: 100,000 held or waited for at
 * most, with names of up to 1,024 bytes. A lock is held until what the callback returns has settled, at the
 * latest until its worker, or the engine in it, ends.
 */
interface LockManager {
  request<T>(name: string, callback: (lock: Lock) => T): Promise<Awaited<T>>;
  request<T>(name: string, options: LockOptions, callback: (lock: Lock | null) => T): Promise<Awaited<T>>;
  /** What is held and waited for now, by all workers. */
  query(): Promise<LockManagerSnapshot>;
}

declare var LockManager: {
  prototype: LockManager;
};
