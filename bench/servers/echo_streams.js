/* As echo.js, by the streams of `connect(socket)`: a chunk read by `for await`, written by a writer. */
export default {
  async connect(socket) {
    const writer = socket.writable.getWriter();
    for await (const chunk of socket.readable) await writer.write(chunk);
    await writer.close();
  },
};
