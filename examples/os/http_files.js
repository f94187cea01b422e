/*
 * What an HTTP file server answers: imported by http_server.js and http_server_hints.js, which differ
 * in how they spell their socket calls only. It knows files and HTTP, and no sockets.
 */
// @ts-check

import * as os from "os";

/** Bytes of a request's head at most. */
export const HEAD_BYTES_MAX = 16 * 1024;

/**
 * @typedef {object} Reply
 * @property {number} status
 * @property {string} head status line and fields, with the empty line that ends them
 * @property {string} [text] the body
 * @property {string} [file] or the file whose first `size` bytes are the body
 * @property {number} [size]
 */

/** @type {{ [extension: string]: string }} */
const TYPES = {
  css: "text/css",
  gif: "image/gif",
  html: "text/html; charset=utf-8",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  md: "text/plain; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

/** @type {{ [status: number]: string }} */
const REASONS = {
  200: "OK",
  301: "Moved Permanently",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/**
 * The reply to a request's head. Nothing outside of `root` is ever served, whatever the path says and
 * wherever a symbolic link leads.
 * @param {string} head
 * @param {string} root an absolute path as `os.realpath` has it
 * @returns {Reply}
 */
export function replyTo(head, root) {
  const line = /^([A-Z]+) (\/[^ ?#]*)(?:\?[^ #]*)? HTTP\/1\.[01]\r\n/.exec(head);
  if (!line) return message(400, "This is no HTTP request.");
  const [, method, target] = line;
  if (method !== "GET" && method !== "HEAD") {
    return message(405, "Only GET and HEAD are possible here.", ["Allow: GET, HEAD"]);
  }
  const reply = find(target, root);
  return method === "HEAD" ? { status: reply.status, head: reply.head } : reply;
}

/**
 * A short text as a reply.
 * @param {number} status
 * @param {string} text
 * @param {string[]} [fields]
 * @returns {Reply}
 */
export function message(status, text, fields = []) {
  return page(status, `<!doctype html><title>${REASONS[status]}</title><p>${escape(text)}</p>\n`, fields);
}

/** @param {string} target @param {string} root @returns {Reply} */
function find(target, root) {
  let path;
  try {
    path = decodeURIComponent(target);
  } catch {
    return message(400, "The path is not UTF-8.");
  }
  const missing = message(404, `There is no ${path}.`);
  if (path.includes("\0")) return missing;
  const [real, error] = os.realpath(root + path);
  if (error || (real !== root && !real.startsWith(root === "/" ? root : `${root}/`))) return missing;
  const [stat] = os.stat(real);
  const kind = (stat?.mode ?? 0) & os.S_IFMT;
  if (stat && kind === os.S_IFREG && !path.endsWith("/")) return fileReply(real, stat.size);
  if (kind !== os.S_IFDIR) return missing;
  if (!path.endsWith("/")) {
    // One slash in front: two would name another host.
    return message(301, "It is a folder.", [`Location: /${target.replace(/^\/+/, "")}/`]);
  }
  const [index] = os.stat(`${real}/index.html`);
  if (index && (index.mode & os.S_IFMT) === os.S_IFREG) return find(`${target}index.html`, root);
  return listing(path, real);
}

/** @param {string} path @param {string} real @returns {Reply} */
function listing(path, real) {
  const [names, error] = os.readdir(real);
  if (error) return message(404, `${path} cannot be read.`);
  const shown = names.filter((name) => !name.startsWith(".")).sort();
  const items = shown.map((name) => `<li><a href="./${encodeURIComponent(name)}">${escape(name)}</a>`);
  const title = escape(path);
  return page(200, `<!doctype html><title>${title}</title><h1>${title}</h1>\n<ul>\n${items.join("\n")}\n</ul>\n`);
}

/** @param {string} file @param {number} size @returns {Reply} */
function fileReply(file, size) {
  const extension = /\.([a-z]+)$/.exec(file)?.[1] ?? "";
  const type = TYPES[extension] ?? "application/octet-stream";
  return { status: 200, head: fields(200, type, size), file, size };
}

/** @param {number} status @param {string} text @param {string[]} [more] @returns {Reply} */
function page(status, text, more = []) {
  const size = new TextEncoder().encode(text).length;
  return { status, head: fields(status, "text/html; charset=utf-8", size, more), text };
}

/** @param {number} status @param {string} type @param {number} size @param {string[]} [more] */
function fields(status, type, size, more = []) {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status]}`, `Content-Type: ${type}`, `Content-Length: ${size}`];
  return [...lines, ...more, "Connection: close", "", ""].join("\r\n");
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
