/* Socket and connect (WinterTC Sockets API draft): when `opened` and `closed` settle, what becomes of the streams.
 * Owns: the state of each socket. Must not know: descriptors, TLS, back-pressure of the system (link.rs).
 * A socket is a record; its public object holds it in a private field. It is over when nothing more is to be
 * written and the peer's end is known; its descriptor goes when nothing more is to be read either. */
import * as links from 'jsserve:internal/sockets/natives';
import { TOKEN } from 'jsserve:internal/streams/conversions';
import { byteLengthOf } from 'jsserve:internal/streams/natives';
import {
  byteClose,
  byteError,
  byteGive,
  bytePulled,
  byteRespond,
  createReadableByteStream,
} from 'jsserve:internal/streams/readable_byte';
import { readableCancel, readableLocked } from 'jsserve:internal/streams/readable_state';
import { createWritable } from 'jsserve:internal/streams/writable';
import {
  directWritten,
  writableAbort,
  writableCloseQueued,
  writableErrorIfNeeded,
} from 'jsserve:internal/streams/writable_state';
import { writerCloseForPipe } from 'jsserve:internal/streams/writable_writer';
import {
  asInterface,
  deferred,
  handled,
  job,
  rejected,
  resolved,
  then,
  typeError,
} from 'jsserve:internal/webidl/natives';
import 'jsserve:internal/streams/index';

const done = resolved(undefined);
const noop = () => undefined;
/* Bytes that may wait in `writable`, unless the app says otherwise. */
const WRITABLE_BYTES = 65536;

let setOfClient;
/* Whether an error is how a client's connection ended, and so no fault of the app's. */
export let isOfClient;
export class SocketError extends TypeError {
  #ofClient = false;
  static {
    setOfClient = (error) => {
      error.#ofClient = true;
    };
    isOfClient = (reason) => #ofClient in reason && reason.#ofClient;
  }
  constructor(message = '') {
    super(`SocketError: ${message}`);
  }
}
export const failure = (message, code = undefined, ofClient = false) => {
  const error = new SocketError(message);
  if (code !== undefined) links.define(error, 'code', code);
  if (ofClient) setOfClient(error);
  return error;
};

const over = (it) => {
  it.over = true;
  it.closed.resolve(undefined);
  links.letGo(it.link);
};
/* Over, or not yet. */
const settle = (it) => {
  if (it.upgraded || !it.writeDone || (!it.peerDone && !it.readDone)) return;
  over(it);
  if (it.readDone) links.release(it.link);
};
const endReading = (it) => {
  it.readDone = true;
  if (it.readable.state !== 'readable') return;
  const { controller } = it.readable;
  try {
    byteClose(controller);
  } catch {
    return; // in the middle of an element that somebody waits for: the stream is errored
  }
  if (controller.pending.length > 0) byteRespond(controller, 0);
};
const failReading = (it, error) => {
  it.readDone = true;
  byteError(it.readable.controller, error);
};
/* What was written before still goes out; it ends in a FIN. */
const endWriting = (it) => {
  const ending = writerCloseForPipe({ __proto__: null, stream: it.writable });
  handled(ending);
  return ending;
};
const peerEnded = (it) => {
  it.peerDone = true;
  if (!it.halfOpen) {
    endWriting(it);
    links.hurry(it.link);
  }
  settle(it);
};
/* The connection is no more. What came before can still be read. */
const lose = (it, error) => {
  it.writeDone = it.peerDone = true;
  writableErrorIfNeeded(it.writable.controller, error);
  settle(it);
};
/* The peer is to learn that something is missing: a reset. */
const cutOff = (it, error) => {
  links.reset(it.link);
  failReading(it, error);
  lose(it, error);
};
const neverOpened = (it, error) => {
  it.opened.reject(error);
  it.closed.reject(error);
  it.readDone = it.writeDone = it.peerDone = true;
  over(it);
  links.release(it.link);
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
/* What a pull has come to. `alone`: in a turn of its own. */
const arrived = (it, bytes, alone) => {
  const { controller } = it.readable;
  if (bytes === null) readAll(it);
  else byteGive(controller, bytes, alone);
  bytePulled(controller);
};
const pullFailed = (it, error) => {
  readFailed(it, error);
  byteError(it.readable.controller, error);
};
/* No promise: it says itself when it is done (readable_state.js). What is there at once arrives in a job. */
const pull = (it) => {
  try {
    const bytes = links.read(it.link, wanted(it.readable));
    if (bytes !== undefined) job(arrived, it, bytes, false);
  } catch (error) {
    job(pullFailed, it, error);
  }
};
const cancel = (it) => {
  it.readDone = true;
  links.stopReading(it.link);
  settle(it);
  return done;
};
const write = (it, chunk) => {
  let sending;
  try {
    sending = links.write(it.link, chunk);
  } catch (error) {
    cutOff(it, error);
    return rejected(error);
  }
  // Without a promise all is written (writable_state.js).
  return sending === undefined
    ? undefined
    : then(sending, undefined, (error) => {
        lose(it, error);
        throw error;
      });
};
const finish = (it) =>
  it.upgraded
    ? done
    : then(
        links.finish(it.link),
        () => {
          it.writeDone = true;
          settle(it);
          if (it.why !== undefined) throw it.why.reason;
        },
        (error) => {
          lose(it, error);
          throw error;
        },
      );
const abort = (it, reason) => {
  cutOff(it, reason === undefined ? failure('the writable was aborted', 'ECONNABORTED') : reason);
  return done;
};
/* What the streams do for a pipe whose bytes pass by. */
const feed = {
  __proto__: null,
  open: ({ owner }) => links.feed(owner.link),
  ended: ({ owner }) => readAll(owner),
  failed: ({ owner, controller }, error) => {
    readFailed(owner, error);
    byteError(controller, error);
  },
};
const drain = {
  __proto__: null,
  open: ({ owner }) => links.drain(owner.link),
  failed: ({ owner }, error) => lose(owner, error),
};
const size = (chunk) => (typeof chunk === 'string' ? chunk.length : byteLengthOf(chunk));

/* Hears of the peer's end while nobody reads. What is unread then is somebody's who reads in his own time: he
 * comes to the end by himself, unless he has stopped. */
const listen = (it) =>
  then(
    links.watch(it.link),
    (unread) => {
      if (unread === undefined) return;
      const ended = () => {
        peerEnded(it);
        then(links.watch(it.link), noop, (error) => broke(it, error));
      };
      if (!unread) endReading(it);
      if (unread && it.readable.state === 'readable' && readableLocked(it.readable))
        then(links.unattended(it.link), ended);
      else ended();
    },
    (error) => broke(it, error),
  );
const broke = (it, error) => {
  if (!links.hasUnread(it.link)) failReading(it, error);
  lose(it, error);
};

const make = (link, kind, halfOpen, highWaterMark, open) => {
  const it = {
    __proto__: null,
    self: null,
    link,
    kind,
    halfOpen,
    highWaterMark,
    opened: deferred(),
    closed: deferred(),
    isOpen: false,
    closing: false,
    over: false,
    upgraded: false,
    readDone: false,
    writeDone: false,
    peerDone: false,
    why: undefined,
    readable: undefined,
    writable: undefined,
  };
  handled(it.opened.promise);
  handled(it.closed.promise);
  links.hear(
    link,
    (bytes) => arrived(it, bytes, true),
    (error) => pullFailed(it, error),
  );
  const opening = then(
    open(),
    (info) => {
      it.isOpen = true;
      it.opened.resolve(info);
      listen(it);
    },
    (error) => {
      neverOpened(it, error);
      throw error;
    },
  );
  const start = () => opening;
  it.readable = createReadableByteStream(
    start,
    () => pull(it),
    () => cancel(it),
  );
  it.writable = createWritable(
    start,
    (chunk) => write(it, chunk),
    () => finish(it),
    (reason) => abort(it, reason),
    highWaterMark,
    size,
  );
  it.readable.owner = it.writable.owner = it;
  it.readable.feed = feed;
  it.writable.drain = drain;
  it.readable.fast = it.writable.fast = links.fast(
    link,
    () => directWritten(it.writable.controller),
    highWaterMark,
  );
  it.self = new Socket(TOKEN, it);
  return it.self;
};

const close = (it, given, reason) => {
  if (it.closing) return;
  it.closing = true;
  if (it.isOpen) {
    if (given) it.why = { __proto__: null, reason };
    it.readDone = it.peerDone = true;
    handled(readableCancel(it.readable, reason));
    endWriting(it);
    links.hurry(it.link);
    settle(it);
    return;
  }
  const why = given ? reason : failure('the socket was closed before it was connected', 'ECONNABORTED');
  it.opened.reject(why);
  over(it);
  handled(readableCancel(it.readable, reason));
  handled(writableAbort(it.writable, why));
  links.release(it.link);
};

const startTls = (it, options) => {
  const refuse = (why) => {
    throw failure(`startTls: ${why}`, 'ERR_INVALID_STATE');
  };
  if (it.upgraded) refuse('it was called before');
  if (it.kind !== 'starttls')
    refuse(`the socket was opened with secureTransport "${it.kind}", not "starttls"`);
  if (it.closing || it.writeDone || it.readDone || writableCloseQueued(it.writable))
    refuse('the socket is closed');
  const link = links.upgrade(it.link, options);
  it.upgraded = true;
  const flushed = endWriting(it);
  endReading(it);
  links.stopReading(it.link);
  over(it);
  return make(link, 'on', it.halfOpen, it.highWaterMark, () =>
    then(
      flushed,
      () => links.open(link),
      (error) => {
        links.release(it.link);
        throw error;
      },
    ),
  );
};

let recordOf;
export class Socket {
  #it;
  static {
    recordOf = (socket) => socket.#it;
  }

  constructor(token, it) {
    if (token !== TOKEN) typeError('Illegal constructor: sockets come from connect()');
    this.#it = it;
  }

  get readable() {
    return this.#it.readable.self;
  }
  get writable() {
    return this.#it.writable.self;
  }
  get opened() {
    return this.#it.opened.promise;
  }
  get closed() {
    if (!this.#it.over) links.hold(this.#it.link);
    return this.#it.closed.promise;
  }
  get upgraded() {
    return this.#it.upgraded;
  }
  get secureTransport() {
    return this.#it.kind;
  }

  close(reason = undefined) {
    try {
      const it = this.#it;
      close(it, reason !== undefined, reason);
      return it.closed.promise;
    } catch (error) {
      return rejected(error);
    }
  }

  startTls(options = undefined) {
    return startTls(this.#it, options);
  }
}

export const connect = (address, options = undefined) => {
  const { link, kind, halfOpen, highWaterMark = WRITABLE_BYTES } = links.dial(address, options);
  return make(link, kind, halfOpen, highWaterMark, () => links.open(link));
};

/** A connection that came in: its handler may answer after the client's end. */
export const accept = (link, kind) => make(link, kind, true, WRITABLE_BYTES, () => links.open(link));
export const end = (socket) => close(recordOf(socket), false, undefined);
export const cut = (socket) => cutOff(recordOf(socket), failure('the handler failed', 'ECONNABORTED'));

asInterface(Socket, 'Socket');
