/* Runs the fuzz inside a served app: a request with a query starts it, others ask for its verdict meanwhile.
   Owns: the verdict. Must not know: the calls. */
import { fuzz } from "./exports.js";

let verdict = "none";

export default {
  fetch(request) {
    const query = new URL(request.url).searchParams;
    if (!query.has("seed")) return new Response(verdict);
    verdict = "pending";
    const told = (text) => { verdict = String(text); };
    fuzz({ seed: +query.get("seed"), ms: +query.get("ms"), dir: query.get("dir"), served: true }).then(told, told);
    return new Response(verdict);
  },
};
