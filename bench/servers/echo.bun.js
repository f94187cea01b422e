/* The other base of bench/echo.sh: Bun.listen on PORT. What a socket does not take waits for its drain. */
Bun.listen({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  socket: {
    open(socket) { socket.data = []; },
    data(socket, data) {
      if (socket.data.length > 0) return void socket.data.push(Buffer.from(data));
      const sent = socket.write(data);
      if (sent < data.length) socket.data.push(Buffer.from(data.subarray(sent)));
    },
    drain(socket) {
      while (socket.data.length > 0) {
        const sent = socket.write(socket.data[0]);
        if (sent < socket.data[0].length) return void (socket.data[0] = socket.data[0].subarray(sent));
        socket.data.shift();
      }
    },
    error(socket) { socket.end(); },
  },
});
