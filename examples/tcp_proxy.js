/*
 * A TCP proxy: joins each connection to one of its own to a target, both ways.
 *
 *   TARGET=example.com:80 jsserve examples/tcp_proxy.js --port 9000
 *
 * It holds back whoever sends faster than the other side takes. When one side ends its stream the other is
 * told so, while the opposite direction goes on; when one side breaks, so does the other.
 */
// @ts-check

import { connect } from "sockets";

/** @type {JSServe.App} */
export default {
  async connect(client, env) {
    const target = connect(env.TARGET ?? "127.0.0.1:8080", { allowHalfOpen: true });
    await Promise.all([client.readable.pipeTo(target.writable), target.readable.pipeTo(client.writable)]);
  },
};
