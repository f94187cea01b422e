/* A base of bench/tcp_proxy.sh: Node's net, from PORT to TARGET_PORT, by pipe. Bun runs it too. */
const net = require("node:net");
const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const target = net.connect({ port: Number(process.env.TARGET_PORT), host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  client.on("error", () => target.destroy());
  target.on("error", () => client.destroy());
  client.pipe(target);
  target.pipe(client);
});
server.listen(Number(process.env.PORT), "127.0.0.1");
