/* The base of bench/udp.sh: Bun.udpSocket on PORT. */
await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  socket: {
    data(socket, data, port, address) {
      socket.send(data, port, address);
    },
  },
});
