/* What is known of each bird. */

/** @type {Record<string, { name: string, latin: string, hue: number, song: string }>} */
export const birds = {
  blackbird: { name: "Blackbird", latin: "Turdus merula", hue: 35, song: "A rich, slow flute from the rooftop at dusk." },
  robin: { name: "Robin", latin: "Erithacus rubecula", hue: 18, song: "Silvery runs that drip like water, in winter too." },
  wren: { name: "Wren", latin: "Troglodytes troglodytes", hue: 48, song: "Nine grams, and the loudest voice in the hedge." },
  "great-tit": { name: "Great tit", latin: "Parus major", hue: 90, song: "Teacher, teacher, teacher: spring has come." },
  nuthatch: { name: "Nuthatch", latin: "Sitta europaea", hue: 205, song: "Whistles like a boy who calls his dog." },
};
