/* MessageChannel, MessagePort (HTML, section 9.4) and MessageEvent, on the classes of abort/events.js.
 * Owns: the classes, a port's queue. Must not know: cloning, tasks (the host's functions do that).
 * As events.js, it calls no method of a built-in object. Both ports of a channel are in one engine. */
(function (host, dom) {
  const { Event, EventTarget, fire, getHandler, setHandler, listensTo } = dom;
  const KEY = { __proto__: null };
  const isObject = (value) => typeof value === 'object' && value !== null || typeof value === 'function';
  const need = (what, wanted, got) => {
    if (got < wanted) host.typeError(`${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${got} present`);
  };
  const dictionary = (value) => {
    if (value === undefined || value === null) return { __proto__: null };
    if (!isObject(value)) host.typeError('the options are not an object');
    return value;
  };
  const text = (value) => (value === undefined ? '' : `${value}`);
  const list = () => ({ __proto__: null, n: 0 });
  const push = (all, item) => { all[all.n++] = item; };

  let withPorts, isPort, isChannel, isDetached, entangle, deliver, look, transfer;

  /* sequence<T>; `check` throws for what is no T. */
  const sequence = (iterable, what, check) => {
    const all = list();
    if (iterable === undefined) return all;
    if (!isObject(iterable) || !host.isIterable(iterable)) host.typeError(`${what} is not iterable`);
    for (const item of iterable) {
      if (!check(item)) host.typeError(`${what}: an item is of another type`);
      push(all, item);
    }
    return all;
  };

  class MessageEvent extends Event {
    #data; #origin; #id; #source; #ports;

    static { withPorts = (event, ports) => { event.#ports = host.frozen(ports); return event; }; }

    constructor(type, init = undefined) {
      need('MessageEvent', 1, arguments.length);
      super(type, init);
      const d = dictionary(init);
      const { data } = d;
      this.#data = data === undefined ? null : data;
      this.#id = text(d.lastEventId);
      this.#origin = host.wellFormed(text(d.origin));
      this.#ports = host.frozen(sequence(d.ports, 'MessageEvent: ports', isPort));
      const { source } = d;
      if (source !== undefined && source !== null && !isPort(source)) host.typeError('MessageEvent: source is not a MessagePort');
      this.#source = source === undefined ? null : source;
    }

    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#id; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }

    initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = '', lastEventId = '', source = null, ports = undefined) {
      this.#data;
      need('initMessageEvent', 1, arguments.length);
      type = `${type}`; origin = host.wellFormed(`${origin}`); lastEventId = `${lastEventId}`;
      if (source !== null && !isPort(source)) host.typeError('initMessageEvent: source is not a MessagePort');
      const given = sequence(ports, 'initMessageEvent: ports', isPort);
      if (!dom.init(this, type, !!bubbles, !!cancelable)) return;
      this.#data = data; this.#origin = origin; this.#id = lastEventId; this.#source = source;
      this.#ports = host.frozen(given);
    }
  }

  class MessagePort extends EventTarget {
    /* The other end; null once the channel is closed or this end was transferred. */
    #other = null; #detached = false; #started = false;
    /* Messages not delivered yet: a list with a first entry. */
    #first = null; #last = null;
    /* Keeps a script alive. */
    #hold = null;

    static {
      isPort = (value) => isObject(value) && #other in value;
      isDetached = (port) => port.#detached;
      entangle = (one, two) => { one.#other = two; two.#other = one; };
      look = (port) => {
        const keep = port.#started && !port.#detached && (port.#other !== null || port.#first !== null) && listensTo(port, 'message');
        if (keep === (port.#hold !== null)) return;
        if (keep) port.#hold = host.hold();
        else { host.release(port.#hold); port.#hold = null; }
      };
      deliver = (port) => {
        const message = port.#first;
        if (message === null || !port.#started || port.#detached) return;
        port.#first = message.next;
        if (port.#first === null) port.#last = null;
        look(port);
        fire(port, withPorts(new MessageEvent('message', { __proto__: null, data: message.data }), message.ports));
      };
      /* Takes a port apart and puts it together as another (its transfer and transfer-receiving steps). */
      transfer = (port) => {
        const moved = new MessagePort(KEY), other = port.#other;
        moved.#first = port.#first; moved.#last = port.#last;
        port.#detached = true;
        port.#other = port.#first = port.#last = null;
        look(port);
        if (other !== null) entangle(moved, other);
        return moved;
      };
    }

    constructor(key = undefined) {
      if (key !== KEY) host.typeError('Illegal constructor');
      super();
    }

    postMessage(message, options = undefined) {
      const target = this.#other;
      need('postMessage', 1, arguments.length);
      const listed = isObject(options) && host.isIterable(options);
      const items = sequence(listed ? options : dictionary(options).transfer, 'postMessage: transfer', isObject);
      let doomed = target === null;
      for (let i = 0; i < items.n; i++) {
        if (items[i] === this) host.dataClone('A port cannot be transferred through itself');
        if (items[i] === target) doomed = true;
      }
      const sent = host.clone(message, items);
      if (doomed) return;
      const ports = list();
      for (let i = 0; i < sent.n; i++) if (isPort(sent[i])) push(ports, sent[i]);
      const entry = { __proto__: null, data: sent.data, ports, next: null };
      if (target.#last === null) target.#first = entry; else target.#last.next = entry;
      target.#last = entry;
      if (target.#started) host.task(() => deliver(target));
    }

    start() {
      if (this.#started || this.#detached) return;
      this.#started = true;
      look(this);
      for (let entry = this.#first; entry !== null; entry = entry.next) host.task(() => deliver(this));
    }

    close() {
      const other = this.#other;
      this.#detached = true;
      this.#other = this.#first = this.#last = null;
      look(this);
      if (other === null) return;
      other.#other = null;
      host.task(() => {
        look(other);
        fire(other, new Event('close'));
      });
    }

    get onmessage() { this.#other; return getHandler(this, 'message'); }
    set onmessage(value) { this.#other; setHandler(this, 'message', value); this.start(); }
    get onmessageerror() { this.#other; return getHandler(this, 'messageerror'); }
    set onmessageerror(value) { this.#other; setHandler(this, 'messageerror', value); }
    get onclose() { this.#other; return getHandler(this, 'close'); }
    set onclose(value) { this.#other; setHandler(this, 'close', value); }
  }

  class MessageChannel {
    #one = new MessagePort(KEY); #two = new MessagePort(KEY);

    static { isChannel = (value) => #one in value; }

    constructor() { entangle(this.#one, this.#two); }

    get port1() { return this.#one; }
    get port2() { return this.#two; }
  }

  dom.watch((target) => { if (isPort(target)) look(target); });
  return {
    __proto__: null, MessageEvent, MessagePort, MessageChannel,
    platformName: (value) => (isPort(value) ? 'MessagePort' : isChannel(value) ? 'MessageChannel' : undefined),
    isTransferable: (value) => (isPort(value) ? !isDetached(value) : undefined),
    transfer,
  };
})
