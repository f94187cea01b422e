/*
 * A raw TCP server whose connections are streams: sends back what it receives, on every core.
 *
 *   jsserve examples/echo_streams.js --port 9000
 *   nc 127.0.0.1 9000
 *
 * With a `fetch` beside `connect`, --port would serve that, and --tcp 9000 the sockets.
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  async connect(socket) {
    await socket.readable.pipeTo(socket.writable);
  },
};
