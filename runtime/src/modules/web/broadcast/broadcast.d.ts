/* Broadcasting to other contexts: HTML, section 9.5. */

/**
 * What is sent reaches every other BroadcastChannel of that name in the app: in the same context, in other workers, in
 * threads of `os.Worker`. It is copied, as by structuredClone, and arrives in a task of its own, in the order in which its
 * sender sent it. While a channel listens to "message", a script does not end until it is closed, or `unref()` says
 * that it may. A worker that does not take its messages loses them once they are more than --mailbox-max.
 */
interface BroadcastChannel extends EventTarget {
  readonly name: string;
  /** @throws InvalidStateError once it is closed, DataCloneError for what cannot be copied; nothing can be transferred */
  postMessage(message: any): void;
  /** Ends it: nothing comes any more, not even what was on its way. */
  close(): void;
  /** A script does not end while this listens: as it is to begin with. */
  ref(): this;
  /** A script may end while this listens. */
  unref(): this;
  onmessage: ((this: BroadcastChannel, event: MessageEvent) => any) | null;
  onmessageerror: ((this: BroadcastChannel, event: MessageEvent) => any) | null;
}

declare var BroadcastChannel: {
  prototype: BroadcastChannel;
  new (name: string): BroadcastChannel;
};
