/*
 * A raw TCP server: sends back what it receives, on every core.
 *
 *   jsserve examples/echo.js --port 9000
 *   nc 127.0.0.1 9000
 *
 * The connection's descriptor is closed when the promise of `accept` settles.
 */
// @ts-check

import * as os from "os";

/** @type {JSServe.App} */
export default {
  async accept(fd, peer) {
    console.log(`connection from ${peer.addr} port ${peer.port}`);
    const buffer = new ArrayBuffer(16 * 1024);
    for (;;) {
      const bytes = await os.recv(fd, buffer);
      if (bytes === 0) return; // the peer has sent all it wanted to
      await os.send(fd, buffer, bytes, true); // true: until all of it is sent
    }
  },
};
