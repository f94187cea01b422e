/*
 * The same room with Hono's upgradeWebSocket, as it is written for Workers; a BroadcastChannel carries what is said to
 * the other workers.
 *
 *   npm install --prefix examples/chat
 *   jsserve examples/chat/hono.ts --port 8080      then open http://127.0.0.1:8080/ in two windows
 */
import { Hono } from "hono";
import { upgradeWebSocket } from "hono/cloudflare-workers";
import type { WSContext } from "hono/ws";
import page from "./page.html" with { type: "text" };
import { cleanName, enter, history, leave, names, say } from "./room.js";

/** Those of this worker. */
const guests = new Set<WSContext>();
const others = new BroadcastChannel("room");
others.onmessage = ({ data }) => tell(data);

const tell = (text: string) => guests.forEach((guest) => void guest.send(text));

function everybody(words: object) {
  const text = JSON.stringify(words);
  tell(text);
  others.postMessage(text);
}

const app = new Hono();

app.get("/", (c) => c.html(page));

app.get("/room", upgradeWebSocket(() => {
  let guest: { name: string; key: string } | null = null;
  return {
    onMessage(event, ws) {
      const words = parse(event.data);
      if (!words) return ws.close(1007, "JSON is spoken here");
      if (guest) {
        const said = say(guest.name, words.say);
        if (said) everybody({ said });
        return;
      }
      const name = cleanName(words.join);
      if (!name) return ws.close(1008, "who are you?");
      guest = { name, key: enter(name) };
      guests.add(ws);
      ws.send(JSON.stringify({ history: history() }));
      everybody({ people: names() });
    },

    onClose(_event, ws) {
      // One object for each event: the connection is `ws.raw`.
      guests.forEach((each) => each.raw === ws.raw && guests.delete(each));
      if (!guest) return;
      leave(guest.key);
      everybody({ people: names() });
    },
  };
}));

app.notFound((c) => c.text("There is no such page.\n", 404));

export default app;

function parse(data: unknown): { join?: unknown; say?: unknown } | null {
  try {
    return typeof data === "string" ? Object(JSON.parse(data)) : null;
  } catch {
    return null;
  }
}
