/* What all readable streams have in common (Streams Standard, section 4.9.2). A stream, reader or controller is a
 * record; its public object holds it in a private field.
 * Owns: the record of a stream and its states. Must not know: how a controller queues, the public class (readable.js
 * tells how to get from one to the other). */
import { shutReads as shut } from 'jsserve:internal/streams/natives';
import { list, push, shift } from 'jsserve:internal/streams/queue';
import { handled, rejected, resolved, then } from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

/** The record of a public stream; undefined for another object. */
export let readableOf;
/** Gives the record of a stream its public object. */
export let wrapReadable;
export const useReadableStream = (recordOf, wrap) => {
  readableOf = recordOf;
  wrapReadable = wrap;
};
export const isReadableStream = (value) => isObject(value) && readableOf(value) !== undefined;

const settled = resolved(undefined);
export const microtask = (f) => {
  then(settled, f, undefined);
};

export const newReadable = () => ({
  __proto__: null,
  self: null,
  state: 'readable',
  reader: undefined,
  controller: undefined,
  disturbed: false,
  storedError: undefined,
  native: undefined,
  feed: undefined,
  fast: undefined,
  owner: undefined,
});

/* The short way (fast.rs) is open while all else is as a reader finds it who waits for nothing. Before anything of that
 * changes it is shut: a read that waits there becomes a request whose pull is under way. */
export const shutReads = (stream) => {
  if (stream.fast === undefined) return;
  const answer = shut(stream.fast);
  if (answer === undefined) return;
  stream.controller.pulling = true;
  push(stream.reader.requests, stream.reader.requestFor(answer));
};

export const readableLocked = (stream) => stream.reader !== undefined;

export const readableCancel = (stream, reason) => {
  stream.disturbed = true;
  if (stream.state === 'closed') return resolved(undefined);
  if (stream.state === 'errored') return rejected(stream.storedError);
  readableClose(stream);
  const { reader } = stream;
  if (reader !== undefined && reader.byob) {
    const requests = reader.requests;
    reader.requests = list();
    while (requests.length > 0) shift(requests).close(undefined);
  }
  return then(stream.controller.cancelSteps(reason), () => undefined);
};

export const readableClose = (stream) => {
  shutReads(stream);
  stream.state = 'closed';
  const { reader } = stream;
  if (reader === undefined) return;
  reader.closed.resolve(undefined);
  if (!reader.byob) {
    const requests = reader.requests;
    reader.requests = list();
    while (requests.length > 0) shift(requests).close();
  }
};

export const readableError = (stream, error) => {
  shutReads(stream);
  stream.state = 'errored';
  stream.storedError = error;
  const { reader } = stream;
  if (reader === undefined) return;
  reader.closed.reject(error);
  handled(reader.closed.promise);
  errorRequests(reader, error);
};

export const fulfillRead = (stream, chunk, done) => {
  const request = shift(stream.reader.requests);
  if (done) request.close(chunk);
  else request.chunk(chunk);
};
export const waitingReads = (stream) => stream.reader.requests.length;
export const hasDefaultReader = (stream) => stream.reader !== undefined && !stream.reader.byob;
export const hasByobReader = (stream) => stream.reader !== undefined && stream.reader.byob;

/* CallPullIfNeeded of a kind of controller: one pull at a time, and one more for all that asked meanwhile. A pull of
 * ours may give no promise: then it says itself when it has `pulled`, or fails. */
export const pullerOf = (shouldPull, fail) => {
  const pullIfNeeded = (c) => {
    if (!shouldPull(c)) return;
    if (c.pulling) {
      c.pullAgain = true;
      return;
    }
    c.pulling = true;
    const pull = c.pull();
    if (pull !== undefined)
      then(
        pull,
        () => pulled(c),
        (error) => fail(c, error),
      );
  };
  const pulled = (c) => {
    c.pulling = false;
    if (c.pullAgain) {
      c.pullAgain = false;
      pullIfNeeded(c);
    }
  };
  return { __proto__: null, pullIfNeeded, pulled };
};

export const errorRequests = (reader, error) => {
  const { requests } = reader;
  reader.requests = list();
  while (requests.length > 0) shift(requests).error(error);
};
