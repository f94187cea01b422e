/*
 * A TCP proxy that ends TLS, and sends each connection where the name leads that its client has asked for (SNI).
 *
 *   jsserve examples/sni_proxy.js --listen tls://0.0.0.0:9000 --tls-cert fullchain.pem --tls-key privkey.pem \
 *     --env ROUTES=a.example=127.0.0.1:9001,b.example=127.0.0.1:9002
 *   openssl s_client -connect 127.0.0.1:9000 -servername a.example
 *
 * Several names are in one certificate, or each has its own: several --tls-cert. To a target goes what was in TLS.
 * Who asks for a name without a route, or for none, is closed. Ends and breaks go through as in tcp_proxy.js.
 */
// @ts-check

import { connect } from "sockets";

/** @type {JSServe.App} */
export default {
  async connect(client, env, ctx) {
    const name = ctx.tls?.sni;
    const routes = (env.ROUTES ?? "").split(",").map((route) => route.split("="));
    const target = routes.find(([host]) => host === name)?.[1];
    if (target === undefined) return console.warn(ctx.peer.addr, "asks for", name ?? "no name", "- there is no route");
    const server = connect(target, { allowHalfOpen: true });
    await Promise.all([client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)]);
  },
};
