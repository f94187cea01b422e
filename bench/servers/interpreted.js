/* Interpreted code and nothing else: a sort by a comparator, closures, object spread, string building.
 * Owns: the work of one request. Must not know: who asks. */
const rows = Array.from({ length: 60 }, (_, i) => ({ id: (i * 7919) % 101, name: `row ${i}`, tags: ["a", "b"] }));

function work() {
  const sorted = [...rows].sort((a, b) => a.id - b.id);
  let text = "";
  for (const row of sorted) {
    const made = { ...row, label: `${row.id}: ${row.name}` };
    text += made.tags.map((tag) => `<${tag}>${made.label}</${tag}>`).join("");
  }
  return text.length;
}

export default { fetch: () => new Response(String(work())) };
