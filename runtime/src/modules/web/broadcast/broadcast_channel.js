/* BroadcastChannel (HTML, section 9.5).
 * Owns: the class, what keeps a channel that listens. Must not know: cloning, who else has a channel of that name (native
 * functions do that). */

import {
  EventTarget,
  fire,
  getHandler,
  listensTo,
  setHandler,
  watch,
} from 'jsserve:internal/abort/event_target';
import { deref, weak } from 'jsserve:internal/abort/natives';
import { close, open, post } from 'jsserve:internal/broadcast/natives';
import { MessageEvent } from 'jsserve:internal/messaging/message_port';
import { hold, release } from 'jsserve:internal/messaging/natives';
import { asInterface, asPlatformObjects, domException } from 'jsserve:internal/webidl/natives';
import { isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

/* Channels that listen and are not closed, by number: they are not garbage. */
const listening = { __proto__: null };
let last = 0;
let isChannel, look, isOpen;

export class BroadcastChannel extends EventTarget {
  #name;
  #channel;
  #closed = false;
  #number = ++last;
  /* Keeps a script alive. */
  #hold = null;
  #held = true;

  static {
    isChannel = (value) => isObject(value) && #channel in value;
    isOpen = (channel) => !channel.#closed;
    look = (channel) => {
      const hears = listensTo(channel, 'message');
      if (!channel.#closed && (hears || listensTo(channel, 'messageerror')))
        listening[channel.#number] = channel;
      else delete listening[channel.#number];
      const keep = !channel.#closed && hears && channel.#held;
      if (keep === (channel.#hold !== null)) return;
      if (keep) channel.#hold = hold();
      else {
        release(channel.#hold);
        channel.#hold = null;
      }
    };
  }

  constructor(name) {
    requireArguments('BroadcastChannel', 1, arguments.length);
    super();
    this.#name = `${name}`;
    this.#channel = open(this.#name, weak(this));
  }

  get name() {
    return this.#name;
  }

  postMessage(message) {
    const closed = this.#closed;
    requireArguments('postMessage', 1, arguments.length);
    if (closed) domException('InvalidStateError', 'The BroadcastChannel is closed');
    post(this.#channel, this.#name, message);
  }

  close() {
    this.#closed = true;
    close(this.#channel);
    look(this);
  }

  ref() {
    this.#held = true;
    look(this);
    return this;
  }
  unref() {
    this.#held = false;
    look(this);
    return this;
  }

  get onmessage() {
    this.#closed;
    return getHandler(this, 'message');
  }
  set onmessage(value) {
    this.#closed;
    setHandler(this, 'message', value);
  }
  get onmessageerror() {
    this.#closed;
    return getHandler(this, 'messageerror');
  }
  set onmessageerror(value) {
    this.#closed;
    setHandler(this, 'messageerror', value);
  }
}

const heard = (reference, type, data) => {
  const channel = deref(reference);
  if (channel === undefined || !isOpen(channel)) return;
  fire(channel, new MessageEvent(type, { __proto__: null, data }));
};
/** A message for the channel that `reference` refers to. */
export const deliver = (reference, data) => heard(reference, 'message', data);
/** A message that is not to be read here. */
export const fail = (reference) => heard(reference, 'messageerror', null);

watch((target) => {
  if (isChannel(target)) look(target);
});
asInterface(BroadcastChannel, 'BroadcastChannel', 'name');
asPlatformObjects({
  __proto__: null,
  platformName: (value) => (isChannel(value) ? 'BroadcastChannel' : undefined),
});
