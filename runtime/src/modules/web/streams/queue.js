/* Queues of the stream classes: plain ones, and those with sizes (Streams Standard, section 8.1).
 * Owns: their form. Must not know: streams. */
import { rangeError } from 'jsserve:internal/webidl/natives';

/* A list: first in, first out. */
export const list = () => ({ __proto__: null, head: null, tail: null, length: 0 });
export const push = (list, value) => {
  const node = { __proto__: null, value, next: null };
  if (list.tail === null) list.head = node;
  else list.tail.next = node;
  list.tail = node;
  list.length++;
};
export const shift = (list) => {
  const { value, next } = list.head;
  list.head = next;
  if (next === null) list.tail = null;
  list.length--;
  return value;
};

/* Queues with sizes (section 8.1). */
export const sizedQueue = () => ({ __proto__: null, list: list(), total: 0 });
export const enqueueSized = (queue, value, size) => {
  if (!(size >= 0) || size === Infinity)
    rangeError('the size of a chunk must be a finite number that is not negative');
  push(queue.list, { __proto__: null, value, size });
  queue.total += size;
};
export const dequeueSized = (queue) => {
  const { value, size } = shift(queue.list);
  queue.total -= size;
  if (queue.total < 0) queue.total = 0;
  return value;
};
export const peekSized = (queue) => queue.list.head.value.value;
export const resetQueue = (queue) => {
  queue.list = list();
  queue.total = 0;
};
