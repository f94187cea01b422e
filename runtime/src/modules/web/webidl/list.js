/* Lists whose items are read by index, from 0 below `n`: what an array is without a prototype to be patched.
 * Owns: their form, which webidl/mod.rs reads. Must not know: what is in them. */

export const list = () => ({ __proto__: null, n: 0 });

export const push = (all, item) => {
  all[all.n++] = item;
};

/** A copy that lacks `item`. */
export const without = (all, item) => {
  const rest = list();
  for (let i = 0; i < all.n; i++) if (all[i] !== item) push(rest, all[i]);
  return rest;
};
