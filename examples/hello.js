/*
 * The smallest app: one function that answers every request.
 *
 *   jsserve examples/hello.js --port 8080
 *   curl -i http://127.0.0.1:8080/
 */
// @ts-check

/** @type {JSServe.App} */
export default {
  fetch(request) {
    return new Response("hello\n");
  },
};
