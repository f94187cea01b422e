/*
 * Prints a TypeScript file that is without error exactly where the declarations name what is really
 * there: the exports of each module, the globals, the members of classes. Run by tests/types.rs.
 */

import * as os from "qjs:os";
import * as std from "qjs:std";
import * as events from "jsserve:events";
import * as files from "jsserve:files";
import * as shared from "jsserve:shared";
import * as sockets from "sockets";

/** What the language itself has. */
const LANGUAGE = new Set(
  `Object Function Error EvalError RangeError ReferenceError SyntaxError TypeError URIError InternalError
  AggregateError SuppressedError Iterator Array Number Boolean String Symbol DisposableStack BigInt Date RegExp
  Proxy Map Set WeakMap WeakSet ArrayBuffer SharedArrayBuffer Uint8ClampedArray Int8Array Uint8Array Int16Array
  Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array Float16Array Float32Array Float64Array DataView
  Promise AsyncDisposableStack WeakRef FinalizationRegistry`.split(/\s+/),
);
/** What the engine has and TypeScript's libraries have not. */
const ENGINE_ONLY = ["InternalError"];
/** What TypeScript's libraries have and the engine has not. */
const LIBRARY_ONLY = ["Intl", "Temporal", "globalThis"];

const lines = [
  'import * as os from "qjs:os";',
  'import * as std from "qjs:std";',
  'import * as events from "jsserve:events";',
  'import * as files from "jsserve:files";',
  'import * as shared from "jsserve:shared";',
  'import * as sockets from "sockets";',
  "type Names<T> = Extract<keyof T, string>;",
  "type Same<Declared, Real> = [Exclude<Declared, Real>, Exclude<Real, Declared>] extends [never, never] ? true",
  "  : { declaredButMissing: Exclude<Declared, Real>; thereButNotDeclared: Exclude<Real, Declared> };",
];

const union = (names) => names.map((name) => JSON.stringify(name)).join(" | ") || "never";
const same = (declared, names) => {
  lines.push(`export const check${lines.length}: Same<${declared}, ${union(names)}> = true; // ${declared}`);
};
/** The names that instances of a class have from it and from those it extends. */
const members = (prototype) => {
  const names = new Set();
  for (let at = prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete("constructor");
  // What an event has itself, as nobody may change it.
  if (prototype === Event.prototype || prototype instanceof Event) names.add("isTrusted");
  return [...names];
};
const statics = (made) => Object.getOwnPropertyNames(made).filter((name) => name !== "length" && name !== "name");
const isClass = (value) => typeof value === "function" && Object.getOwnPropertyNames(value.prototype ?? {}).length > 1;

for (const [name, module] of Object.entries({ os, std, events, files, shared, sockets })) {
  same(`Names<typeof ${name}>`, Object.keys(module));
  for (const [made, value] of Object.entries(module)) {
    if (!isClass(value)) continue;
    same(`Names<${name}.${made}>`, members(value.prototype));
    // `Worker.parent` is in workers only.
    same(`Exclude<Names<typeof ${name}.${made}>, "parent">`, statics(value));
  }
}
same("Names<std.FILE>", members(Object.getPrototypeOf(std.out)));
same("Names<shared.SharedMap>", members(Object.getPrototypeOf(shared.map("reflection"))));
same("Names<ImportMeta>", Object.keys(import.meta));
same("Names<Console>", Object.keys(console));

const globals = Object.getOwnPropertyNames(globalThis).filter((name) => !ENGINE_ONLY.includes(name));
same(`Exclude<Names<typeof globalThis>, ${union(LIBRARY_ONLY)}>`, globals.filter((name) => !LIBRARY_ONLY.includes(name)));
for (const name of globals) {
  const value = globalThis[name];
  if (LANGUAGE.has(name) || !isClass(value)) continue;
  const inherited = value === DOMException || value.prototype instanceof DOMException ? ["cause", "toString"] : []; // what Error has
  same(`Exclude<Names<${name}>, ${union(inherited)}>`, members(value.prototype).filter((it) => !inherited.includes(it)));
  same(`Names<typeof ${name}>`, statics(value));
}
console.log(lines.join("\n"));
