/* The entries of an engine (Performance Timeline Level 2, section 6).
 * Owns: which are kept, how they are looked up. Must not know: how they are made, who hears of them. */
import { nameOf, startOf, typeOf } from 'jsserve:internal/performance/entry';
import { entriesMax } from 'jsserve:internal/performance/natives';
import { list, push } from 'jsserve:internal/webidl/list';
import { array } from 'jsserve:internal/webidl/natives';

/* The buffer: entries in the order in which they came, each type for itself; the oldest leave it. */
const queue = () => ({ __proto__: null, n: 0, first: null, last: null });
const buffer = { __proto__: null, mark: queue(), measure: queue() };
export const dropped = { __proto__: null, mark: 0, measure: 0 };
/* The latest mark of each name. */
let latest = { __proto__: null };
export const isType = (type) => type === 'mark' || type === 'measure';

export const keep = (entry) => {
  const type = typeOf(entry),
    all = buffer[type],
    link = { __proto__: null, entry, next: null };
  if (type === 'mark') latest[nameOf(entry)] = entry;
  if (all.last === null) all.first = link;
  else all.last.next = link;
  all.last = link;
  if (all.n < entriesMax) {
    all.n++;
    return;
  }
  const oldest = all.first.entry;
  all.first = all.first.next;
  dropped[type]++;
  if (type === 'mark' && latest[nameOf(oldest)] === oldest) delete latest[nameOf(oldest)];
};
export const clear = (type, name) => {
  const kept = queue();
  for (let link = buffer[type].first; name !== undefined && link !== null; link = link.next) {
    if (nameOf(link.entry) === name) continue;
    const own = { __proto__: null, entry: link.entry, next: null };
    if (kept.last === null) kept.first = own;
    else kept.last.next = own;
    kept.last = own;
    kept.n++;
  }
  buffer[type] = kept;
  if (type !== 'mark') return;
  if (name === undefined) latest = { __proto__: null };
  else delete latest[name];
};

/* Sorts by start time; entries that begin together keep their order. */
const sorted = (all) => {
  let from = all;
  for (let width = 1; width < all.n; width *= 2) {
    const to = list();
    for (let low = 0; low < all.n; low += 2 * width) {
      const middle = low + width < all.n ? low + width : all.n,
        high = low + 2 * width < all.n ? low + 2 * width : all.n;
      let a = low,
        b = middle;
      while (a < middle || b < high)
        push(to, b >= high || (a < middle && startOf(from[a]) <= startOf(from[b])) ? from[a++] : from[b++]);
    }
    from = to;
  }
  return from;
};
/* The entries of a list that have this name and type, by start time. */
export const filtered = (all, name, type) => {
  const found = list();
  let isSorted = true;
  for (let i = 0; i < all.n; i++) {
    const entry = all[i];
    if ((name !== undefined && nameOf(entry) !== name) || (type !== undefined && typeOf(entry) !== type))
      continue;
    if (found.n > 0 && startOf(found[found.n - 1]) > startOf(entry)) isSorted = false;
    push(found, entry);
  }
  return array(isSorted ? found : sorted(found));
};
const gather = (all, type) => {
  for (let link = buffer[type].first; link !== null; link = link.next) push(all, link.entry);
  return all;
};
export const buffered = (type) =>
  type === undefined ? gather(gather(list(), 'mark'), 'measure') : gather(list(), type);

/** The latest mark called `name`. */
export const latestMark = (name) => latest[name];
