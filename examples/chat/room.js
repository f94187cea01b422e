/* What a chat room knows, whoever carries its messages: who is here and what was said last, for all workers. */
// @ts-check

import shared from "jsserve:shared";

/** @typedef {{ id: number, name: string, text: string, time: number }} Said */

/** @type {import("jsserve:shared").SharedMap<Said>} */
const log = shared.map("chat-log", { bytesMax: 1 << 20 });
/** @type {import("jsserve:shared").SharedMap<string>} */
const people = shared.map("chat-people", { bytesMax: 4 << 20 });
/** @type {import("jsserve:shared").SharedMap<number>} */
const counters = shared.map("chat-counters", { bytesMax: 4096 });

const KEPT = 50;
const NAME_MAX = 24;
const TEXT_MAX = 1000;

/** A name without blanks around it; null where there is none. @param {unknown} name */
export const cleanName = (name) => (typeof name === "string" && name.trim().slice(0, NAME_MAX)) || null;

/** Somebody comes: the key to leave with. @param {string} name */
export function enter(name) {
  const key = String(counters.incr("people"));
  people.set(key, name);
  return key;
}

/** @param {string} key */
export const leave = (key) => people.delete(key);

/** Names, each once, in order. */
export const names = () => [...new Set(people.entries().map(([, name]) => name))].sort((a, b) => (a < b ? -1 : 1));

/** Keeps what was said: the message for everybody, null for nothing. @param {string} name @param {unknown} text */
export function say(name, text) {
  if (typeof text !== "string" || text.trim() === "") return null;
  const said = { id: counters.incr("said"), name, text: text.trim().slice(0, TEXT_MAX), time: Date.now() };
  log.set(String(said.id), said);
  log.delete(String(said.id - KEPT));
  return said;
}

/** What was said last, oldest first. */
export const history = () => log.entries().map(([, said]) => said).sort((a, b) => a.id - b.id);
