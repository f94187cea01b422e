/* Runs the fuzz as a script: its words are the seed, the milliseconds and the scratch folder.
   Owns: where the verdict goes: a file, for standard output may be closed. Must not know: the calls. */
import * as std from "std";
import { fuzz } from "./exports.js";

const [, seed, ms, dir] = scriptArgs;
const verdict = await fuzz({ seed: Number(seed), ms: Number(ms), dir: `${dir}/scratch`, served: false });
std.writeFile(`${dir}/verdict`, verdict);
std.exit(verdict.startsWith("ok") ? 0 : 3);
