/* Event and CustomEvent (DOM, section 2).
 * Owns: the classes, the flags of an event on its way. Must not know: targets, listeners. There are no trees here:
 * an event's path is one target. */
import { getter, now, unforgeable } from 'jsserve:internal/abort/natives';
import { asInterface, asPlatformObjects, constants } from 'jsserve:internal/webidl/natives';
import { dictionary, isObject, requireArguments } from 'jsserve:internal/webidl/webidl';

export let isEvent, initialise, busy, typeOf, trusted, begin, end, stopped, stoppedNow, passive, cancel;
let trust;

export class Event {
  #type;
  #bubbles;
  #cancelable;
  #composed;
  #target = null;
  #current = null;
  #phase = 0;
  #stop = false;
  #stopNow = false;
  #canceled = false;
  #passive = false;
  #busy = false;
  #trusted = false;
  #time = now();

  static {
    isEvent = (value) => isObject(value) && #busy in value;
    trust = getter({
      get isTrusted() {
        return this.#trusted;
      },
    });
    trusted = (event, yes) => {
      event.#trusted = yes;
      return event;
    };
    begin = (event, target) => {
      event.#busy = true;
      event.#phase = 2;
      event.#target = event.#current = target;
    };
    end = (event) => {
      event.#busy = event.#stop = event.#stopNow = false;
      event.#phase = 0;
      event.#current = null;
      return !event.#canceled;
    };
    stopped = (event) => event.#stop;
    stoppedNow = (event) => event.#stopNow;
    passive = (event, yes) => {
      event.#passive = yes;
    };
    cancel = (event) => {
      if (event.#cancelable && !event.#passive) event.#canceled = true;
    };
    busy = (event) => event.#busy;
    typeOf = (event) => event.#type;
    /* Whether it could be: not while it is dispatched. */
    initialise = (event, type, bubbles, cancelable) => {
      if (event.#busy) return false;
      event.#type = type;
      event.#bubbles = bubbles;
      event.#cancelable = cancelable;
      event.#stop = event.#stopNow = event.#canceled = event.#trusted = false;
      event.#target = null;
      return true;
    };
  }

  constructor(type, init = undefined) {
    requireArguments('Event', 1, arguments.length);
    unforgeable(this, trust);
    this.#type = `${type}`;
    const d = dictionary(init);
    this.#bubbles = !!d.bubbles;
    this.#cancelable = !!d.cancelable;
    this.#composed = !!d.composed;
  }

  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get srcElement() {
    return this.#target;
  }
  get currentTarget() {
    return this.#current;
  }
  composedPath() {
    return this.#current === null ? [] : [this.#current];
  }
  get eventPhase() {
    return this.#phase;
  }
  stopPropagation() {
    this.#stop = true;
  }
  get cancelBubble() {
    return this.#stop;
  }
  set cancelBubble(value) {
    this.#stop = !!value || this.#stop;
  }
  stopImmediatePropagation() {
    this.#stop = this.#stopNow = true;
  }
  get bubbles() {
    return this.#bubbles;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get returnValue() {
    return !this.#canceled;
  }
  set returnValue(value) {
    if (!value) cancel(this);
    else this.#type;
  }
  preventDefault() {
    cancel(this);
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  get composed() {
    return this.#composed;
  }
  get timeStamp() {
    return this.#time;
  }

  initEvent(type, bubbles = false, cancelable = false) {
    this.#type;
    requireArguments('initEvent', 1, arguments.length);
    initialise(this, `${type}`, !!bubbles, !!cancelable);
  }
}

export class CustomEvent extends Event {
  #detail;

  constructor(type, init = undefined) {
    requireArguments('CustomEvent', 1, arguments.length);
    super(type, init);
    const { detail } = dictionary(init);
    this.#detail = detail === undefined ? null : detail;
  }

  get detail() {
    return this.#detail;
  }
}

asInterface(Event, 'Event', 'type', 'defaultPrevented', 'cancelable', 'timeStamp');
constants(Event, { __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
asInterface(CustomEvent, 'CustomEvent', 'detail');
asPlatformObjects({ __proto__: null, platformName: (value) => (isEvent(value) ? 'Event' : undefined) });
