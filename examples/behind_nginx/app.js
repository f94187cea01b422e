/*
 * An app behind nginx, on a Unix socket: by the PROXY protocol it knows the client as if nginx were not there.
 *
 *   jsserve examples/behind_nginx/app.js --listen 'unix:/run/app/app.sock?group=www-data&proxy' --trusted-proxies unix
 *   cat examples/behind_nginx/nginx.conf >>/etc/nginx/nginx.conf && systemctl reload nginx
 *   curl -i http://127.0.0.1:8080/
 *
 * nginx passes bytes on and reads none. With `https+unix:`, --tls-cert and --tls-key TLS ends here, and `ctx.tls` has it.
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  fetch(request, env, ctx) {
    return new Response(`${new URL(request.url).protocol} ${ctx.peer.addr} ${ctx.peer.port}\n`);
  },
};
