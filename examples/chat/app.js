/*
 * A chat room: WebSocket hooks, and a topic that reaches everybody on every worker.
 *
 *   jsserve examples/chat/app.js --port 8080      then open http://127.0.0.1:8080/ in two windows
 *
 * A client sends {"join": name} first and then {"say": text}. It gets {"history", "people"} when it has joined,
 * and of everybody {"said"} and {"people"}.
 */
// @ts-check

import page from "./page.html" with { type: "text" };
import { cleanName, enter, history, leave, names, say } from "./room.js";

/** What a connection has: who it is, once it has joined. @typedef {{ name: string, key: string } | null} Guest */

const ROOM = "room";

/** @type {JSServe.App} */
export default {
  fetch(request, _env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/room") return new Response("There is no such page.\n", { status: 404 });
    return ctx.upgrade(request, { data: null }) ?? new Response("A WebSocket is expected here.\n", { status: 426, headers: { upgrade: "websocket" } });
  },

  websocket: {
    message(ws, data) {
      const words = parse(data);
      if (!words) return ws.close(1007, "JSON is spoken here");
      /** @type {Guest} */
      const guest = ws.data;
      if (guest) {
        const said = say(guest.name, words.say);
        if (said) everybody(ws, { said });
        return;
      }
      const name = cleanName(words.join);
      if (!name) return ws.close(1008, "who are you?");
      ws.data = { name, key: enter(name) };
      ws.subscribe(ROOM);
      ws.send(JSON.stringify({ history: history() }));
      everybody(ws, { people: names() });
    },

    close(ws) {
      if (!ws.data) return;
      leave(ws.data.key);
      ws.publish(ROOM, JSON.stringify({ people: names() }));
    },
  },
};

/** Tells the room, who speaks included. @param {JSServe.ServerWebSocket<Guest>} ws @param {object} words */
function everybody(ws, words) {
  const text = JSON.stringify(words);
  ws.publish(ROOM, text);
  ws.send(text);
}

/** @param {string | Uint8Array} data @returns {{ join?: unknown, say?: unknown } | null} */
function parse(data) {
  try {
    return typeof data === "string" ? Object(JSON.parse(data)) : null;
  } catch {
    return null;
  }
}
