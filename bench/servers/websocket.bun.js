/* The base of bench/websocket.sh: Bun's hooks on PORT; with `topic` as its argument, a message for all. */
const isTopic = process.argv.includes("topic");
Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 426 })),
  websocket: {
    perMessageDeflate: false,
    open(ws) { if (isTopic) ws.subscribe("all"); },
    message(ws, data) {
      if (!isTopic) return void ws.send(data);
      ws.publish("all", data);
      ws.send(data);
    },
  },
});
