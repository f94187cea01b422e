/* Node's most used package for it, `ws` from npm (folder in WS_PACKAGES), on PORT. */
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.WS_PACKAGES + "/")("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT), perMessageDeflate: false });
const isTopic = process.argv.includes("topic");
server.on("connection", (ws) => ws.on("message", (data) => {
  if (!isTopic) return void ws.send(data);
  for (const client of server.clients) client.send(data);
}));
