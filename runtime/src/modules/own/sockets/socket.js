/* Socket and connect (WinterTC Sockets API draft): when `opened` and `closed` settle, what becomes of the streams.
 * Owns: the state of each socket. Must not know: descriptors, TLS, back-pressure of the system (link.rs).
 * A socket is a record; its public object holds it in a private field. It is over when nothing more is to be
 * written and the peer's end is known; its descriptor goes when nothing more is to be read either. */
(function (host, s) {
  const { resolved, rejected, then, handled, deferred, typeError } = host;
  const done = resolved(undefined);
  const noop = () => undefined;
  /* Bytes that may wait in `writable`, unless the app says otherwise. */
  const WRITABLE_BYTES = 65536;

  class SocketError extends TypeError {
    constructor(message = '') { super(`SocketError: ${message}`); }
  }
  const failure = (message, code = undefined) => {
    const error = new SocketError(message);
    if (code !== undefined) host.define(error, 'code', code);
    return error;
  };

  const over = (it) => {
    it.over = true;
    it.closed.resolve(undefined);
    host.letGo(it.link);
  };
  /* Over, or not yet. */
  const settle = (it) => {
    if (it.upgraded || !it.writeDone || !it.peerDone && !it.readDone) return;
    over(it);
    if (it.readDone) host.release(it.link);
  };
  const endReading = (it) => {
    it.readDone = true;
    if (it.readable.state !== 'readable') return;
    const { controller } = it.readable;
    try {
      s.byteClose(controller);
    } catch {
      return; // in the middle of an element that somebody waits for: the stream is errored
    }
    if (controller.pending.length > 0) s.byteRespond(controller, 0);
  };
  const failReading = (it, error) => {
    it.readDone = true;
    s.byteError(it.readable.controller, error);
  };
  /* What was written before still goes out; it ends in a FIN. */
  const endWriting = (it) => {
    const ending = s.writerCloseForPipe({ __proto__: null, stream: it.writable });
    handled(ending);
    return ending;
  };
  const peerEnded = (it) => {
    it.peerDone = true;
    if (!it.halfOpen) {
      endWriting(it);
      host.hurry(it.link);
    }
    settle(it);
  };
  /* The connection is no more. What came before can still be read. */
  const lose = (it, error) => {
    it.writeDone = it.peerDone = true;
    s.writableErrorIfNeeded(it.writable.controller, error);
    settle(it);
  };
  /* The peer is to learn that something is missing: a reset. */
  const cut = (it, error) => {
    host.reset(it.link);
    failReading(it, error);
    lose(it, error);
  };
  const neverOpened = (it, error) => {
    it.opened.reject(error);
    it.closed.reject(error);
    it.readDone = it.writeDone = it.peerDone = true;
    over(it);
    host.release(it.link);
  };

  /* The algorithms of the streams. */
  const wanted = ({ controller }) => {
    if (controller.pending.length === 0) return 0;
    const { byteLength, filled } = controller.pending.head.value;
    return byteLength - filled;
  };
  const readAll = (it) => {
    if (it.readDone) return;
    endReading(it);
    peerEnded(it);
  };
  const readFailed = (it, error) => {
    it.readDone = true;
    lose(it, error);
  };
  const pull = (it) => then(host.read(it.link, wanted(it.readable)), (next) => {
    if (next === undefined) readAll(it);
    else if (it.readable.state === 'readable') s.byteEnqueue(it.readable.controller, next.bytes);
  }, (error) => {
    readFailed(it, error);
    throw error;
  });
  const cancel = (it) => {
    it.readDone = true;
    host.stopReading(it.link);
    settle(it);
    return done;
  };
  const write = (it, chunk) => {
    let sending;
    try {
      sending = host.write(it.link, chunk);
    } catch (error) {
      cut(it, error);
      return rejected(error);
    }
    return sending === undefined ? done : then(sending, undefined, (error) => {
      lose(it, error);
      throw error;
    });
  };
  const finish = (it) => (it.upgraded ? done : then(host.finish(it.link), () => {
    it.writeDone = true;
    settle(it);
    if (it.why !== undefined) throw it.why.reason;
  }, (error) => {
    lose(it, error);
    throw error;
  }));
  const abort = (it, reason) => {
    cut(it, reason === undefined ? failure('the writable was aborted', 'ECONNABORTED') : reason);
    return done;
  };
  /* What the streams do for a pipe whose bytes pass by. */
  const feed = {
    __proto__: null,
    open: ({ owner }) => host.feed(owner.link),
    ended: ({ owner }) => readAll(owner),
    failed: ({ owner, controller }, error) => {
      readFailed(owner, error);
      s.byteError(controller, error);
    },
  };
  const drain = {
    __proto__: null,
    open: ({ owner }) => host.drain(owner.link),
    failed: ({ owner }, error) => lose(owner, error),
  };
  const size = (chunk) => (typeof chunk === 'string' ? chunk.length : host.byteLengthOf(chunk));

  /* Hears of the peer's end while nobody reads. What is unread then is somebody's who reads in his own time: he
   * comes to the end by himself, unless he has stopped. */
  const listen = (it) => then(host.watch(it.link), (unread) => {
    if (unread === undefined) return;
    const ended = () => {
      peerEnded(it);
      then(host.watch(it.link), noop, (error) => broke(it, error));
    };
    if (!unread) endReading(it);
    if (unread && it.readable.state === 'readable' && s.readableLocked(it.readable)) then(host.unattended(it.link), ended);
    else ended();
  }, (error) => broke(it, error));
  const broke = (it, error) => {
    if (!host.hasUnread(it.link)) failReading(it, error);
    lose(it, error);
  };

  const make = (link, kind, halfOpen, highWaterMark, open) => {
    const it = {
      __proto__: null, self: null, link, kind, halfOpen, highWaterMark, opened: deferred(), closed: deferred(),
      isOpen: false, closing: false, over: false, upgraded: false, readDone: false, writeDone: false, peerDone: false,
      why: undefined, readable: undefined, writable: undefined,
    };
    handled(it.opened.promise);
    handled(it.closed.promise);
    const opening = then(open(), (info) => {
      it.isOpen = true;
      it.opened.resolve(info);
      listen(it);
    }, (error) => {
      neverOpened(it, error);
      throw error;
    });
    const start = () => opening;
    it.readable = s.createReadableByteStream(start, () => pull(it), () => cancel(it));
    it.writable = s.createWritable(start, (chunk) => write(it, chunk), () => finish(it), (reason) => abort(it, reason),
      highWaterMark, size);
    it.readable.owner = it.writable.owner = it;
    it.readable.feed = feed;
    it.writable.drain = drain;
    it.self = new Socket(s.token, it);
    return it.self;
  };

  const close = (it, given, reason) => {
    if (it.closing) return;
    it.closing = true;
    if (it.isOpen) {
      if (given) it.why = { __proto__: null, reason };
      it.readDone = it.peerDone = true;
      handled(s.readableCancel(it.readable, reason));
      endWriting(it);
      host.hurry(it.link);
      settle(it);
      return;
    }
    const why = given ? reason : failure('the socket was closed before it was connected', 'ECONNABORTED');
    it.opened.reject(why);
    over(it);
    handled(s.readableCancel(it.readable, reason));
    handled(s.writableAbort(it.writable, why));
    host.release(it.link);
  };

  const startTls = (it, options) => {
    const refuse = (why) => { throw failure(`startTls: ${why}`, 'ERR_INVALID_STATE'); };
    if (it.upgraded) refuse('it was called before');
    if (it.kind !== 'starttls') refuse(`the socket was opened with secureTransport "${it.kind}", not "starttls"`);
    if (it.closing || it.writeDone || it.readDone || s.writableCloseQueued(it.writable)) refuse('the socket is closed');
    const link = host.upgrade(it.link, options);
    it.upgraded = true;
    const flushed = endWriting(it);
    endReading(it);
    host.stopReading(it.link);
    over(it);
    return make(link, 'on', it.halfOpen, it.highWaterMark, () => then(flushed, () => host.open(link), (error) => {
      host.release(it.link);
      throw error;
    }));
  };

  let recordOf;
  class Socket {
    #it;
    static { recordOf = (socket) => socket.#it; }

    constructor(token, it) {
      if (token !== s.token) typeError('Illegal constructor: sockets come from connect()');
      this.#it = it;
    }

    get readable() { return this.#it.readable.self; }
    get writable() { return this.#it.writable.self; }
    get opened() { return this.#it.opened.promise; }
    get closed() {
      if (!this.#it.over) host.hold(this.#it.link);
      return this.#it.closed.promise;
    }
    get upgraded() { return this.#it.upgraded; }
    get secureTransport() { return this.#it.kind; }

    close(reason = undefined) {
      try {
        const it = this.#it;
        close(it, reason !== undefined, reason);
        return it.closed.promise;
      } catch (error) {
        return rejected(error);
      }
    }

    startTls(options = undefined) { return startTls(this.#it, options); }
  }

  const connect = (address, options = undefined) => {
    const { link, kind, halfOpen, highWaterMark = WRITABLE_BYTES } = host.dial(address, options);
    return make(link, kind, halfOpen, highWaterMark, () => host.open(link));
  };

  return {
    __proto__: null, Socket, SocketError, connect, failure,
    /* A connection that came in: its handler may answer after the client's end. */
    accept: (link) => make(link, 'off', true, WRITABLE_BYTES, () => host.open(link)),
    end: (socket) => close(recordOf(socket), false, undefined),
    cut: (socket) => cut(recordOf(socket), failure('the handler failed', 'ECONNABORTED')),
  };
})
