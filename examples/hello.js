/*
 * The smallest app: one function that answers every request.
 *
 *   jsserve examples/hello.js --port 8080
 *   curl -i http://127.0.0.1:8080/
 *
 *   jsserve examples/hello.js --listen https://localhost:8443 --tls-self-signed
 *   curl -i --cacert $(jsserve ca) https://localhost:8443/
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  fetch(request) {
    return new Response("hello\n");
  },
};
