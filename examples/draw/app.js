/*
 * A drawing board for many: binary WebSocket messages, passed on as they are to everybody on every worker.
 *
 *   jsserve examples/draw/app.js --port 8080      then open http://127.0.0.1:8080/ in two windows
 *
 * A message begins with its kind and a number that the client has chosen for itself (32 bits, little-endian).
 *   1, a piece of a line: red, green, blue, width (a byte each), then points, x and y of 16 bits each
 *   2, the board is wiped
 *   3, where somebody's pen is: one point; nobody keeps it
 */
// @ts-check

import page from "./page.html" with { type: "text" };
import shared from "jsserve:shared";

const LINE = 1;
const WIPE = 2;
const PEN = 3;
const HEAD_BYTES = 5;
const LINE_HEAD_BYTES = HEAD_BYTES + 4;
const POINT_BYTES = 4;
const MESSAGE_BYTES_MAX = LINE_HEAD_BYTES + 512 * POINT_BYTES;
/** So many pieces of lines are kept for who comes later. */
const KEPT = 4000;
const BOARD = "board";

/** What is on the board, by number. @type {import("jsserve:shared").SharedMap<Uint8Array<ArrayBuffer>>} */
const lines = shared.map("board", { bytesMax: 16 << 20, onFull: "evict" });
/** @type {import("jsserve:shared").SharedMap<number>} */
const counters = shared.map("board-counters", { bytesMax: 4096 });

/** @type {JSServe.App} */
export default {
  fetch(request, _env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/board") return new Response("There is no such page.\n", { status: 404 });
    return ctx.upgrade(request) ?? new Response("A WebSocket is expected here.\n", { status: 426, headers: { upgrade: "websocket" } });
  },

  websocket: {
    open(ws) {
      ws.subscribe(BOARD);
      const drawn = lines.entries().sort(([a], [b]) => Number(a) - Number(b));
      for (const [, line] of drawn) ws.send(line);
    },

    message(ws, data) {
      if (!isSound(data)) return ws.close(1007, "not a message of the board");
      if (data[0] === WIPE) lines.clear();
      if (data[0] === LINE) {
        const number = counters.incr("lines");
        lines.set(String(number), data);
        lines.delete(String(number - KEPT));
      }
      ws.publish(BOARD, data); // to all but who drew it
    },
  },
};

/** @param {string | Uint8Array} data @returns {data is Uint8Array<ArrayBuffer>} */
function isSound(data) {
  if (typeof data === "string" || data.length < HEAD_BYTES || data.length > MESSAGE_BYTES_MAX) return false;
  const rest = data.length - LINE_HEAD_BYTES;
  return (data[0] === LINE && rest >= POINT_BYTES && rest % POINT_BYTES === 0) ||
    (data[0] === WIPE && data.length === HEAD_BYTES) ||
    (data[0] === PEN && data.length === HEAD_BYTES + POINT_BYTES);
}
