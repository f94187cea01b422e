/*
 * A photo gallery: static files beside an app, and a film in which a browser jumps about by ranges.
 *
 *   jsserve examples/gallery/app.js --port 8080      then open http://127.0.0.1:8080/
 *
 * Without the list of photos it would need no app: jsserve --static examples/gallery/public
 */
// @ts-check

import { serveDir } from "jsserve:files";
import * as os from "os";

const root = new URL("public", import.meta.url).pathname;

/** @type {JSServe.App} */
export default {
  fetch(request) {
    if (new URL(request.url).pathname === "/photos.json") return Response.json(photos());
    return serveDir(request, { root });
  },
};

/** Names of the photos, in order. */
function photos() {
  const [names] = os.readdir(`${root}/photos`);
  return names.filter((name) => name.endsWith(".jpg")).sort();
}
