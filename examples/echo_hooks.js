/*
 * A raw TCP server whose connections call hooks: sends back what it receives, on every core.
 *
 *   jsserve examples/echo_hooks.js --port 9000
 *   nc 127.0.0.1 9000
 *
 * Who does not read what comes back is not read from either, until he does.
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  tcp: {
    data(conn, bytes) {
      if (!conn.write(bytes)) conn.pause();
    },
    drain(conn) {
      conn.resume();
    },
  },
};
