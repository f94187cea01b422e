/* The echo of bench/websocket.sh; with `topic` as its argument, a message for all. */
// @ts-check
const isTopic = scriptArgs.includes("topic");

/** @satisfies {import("jsserve").App} */
export default {
  fetch: (request, env, ctx) => ctx.upgrade(request) ?? new Response(null, { status: 426 }),
  websocket: {
    open(ws) { if (isTopic) ws.subscribe("all"); },
    message(ws, data) {
      if (!isTopic) return void ws.send(data);
      ws.publish("all", data);
      ws.send(data);
    },
  },
};
