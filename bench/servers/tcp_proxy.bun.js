/* The other base of bench/tcp_proxy.sh: Bun.listen and Bun.connect, from PORT to TARGET_PORT. What a socket does not
 * take waits for its drain, and its source is paused until then. */
const pass = (from, data) => {
  const to = from.data.peer;
  if (to === undefined || from.data.waiting.length > 0) return void from.data.waiting.push(Buffer.from(data));
  const sent = to.write(data);
  if (sent === data.length) return;
  from.data.waiting.push(Buffer.from(data.subarray(Math.max(sent, 0))));
  from.pause();
};
const drain = (to) => {
  const from = to.data.peer;
  if (from === undefined) return;
  const { waiting } = from.data;
  while (waiting.length > 0) {
    const sent = to.write(waiting[0]);
    if (sent < waiting[0].length) return void (waiting[0] = waiting[0].subarray(Math.max(sent, 0)));
    waiting.shift();
  }
  from.resume();
  if (from.data.ended) to.end();
};
const end = (from) => {
  from.data.ended = true;
  if (from.data.waiting.length === 0) from.data.peer?.end();
};
const handlers = { data: pass, drain, end, close: end, error: (socket) => { socket.data.peer?.end(); } };
Bun.listen({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  socket: {
    ...handlers,
    open(client) {
      client.data = { peer: undefined, waiting: [], ended: false };
      Bun.connect({
        hostname: "127.0.0.1",
        port: Number(process.env.TARGET_PORT),
        socket: {
          ...handlers,
          open(target) {
            target.data = { peer: client, waiting: [], ended: false };
            client.data.peer = target;
            drain(target);
          },
        },
      });
    },
  },
});
