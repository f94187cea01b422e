/*
 * The HTTP client of http_client.js in the spelling of the socket proposal's pull request:
 * `getaddrinfo` with hints, `recv` and `send` on ArrayBuffers.
 *
 *   jsserve examples/os/http_client_hints.js HOST[:PORT][/PATH]
 */
// @ts-check

import * as os from "os";
import * as std from "std";

const place = /^(?<host>[\w.-]+)(?::(?<port>\d+))?(?<path>\/\S*)?$/.exec(scriptArgs[1] ?? "")?.groups;
if (!place) {
  std.err.puts("usage: http_client_hints.js HOST[:PORT][/PATH]\n");
  std.exit(2);
}
const { host, port = "80", path = "/" } = place;

const [address] = must(os.getaddrinfo(host, { service: port, family: os.AF_INET, socktype: os.SOCK_STREAM }));
const fd = must(os.socket(address.family, address.socktype));
await os.connect(fd, address);

const lines = [`GET ${encodeURI(path)} HTTP/1.0`, `Host: ${host}`, "User-Agent: jsserve", "", ""];
const request = Uint8Array.from(lines.join("\r\n"), (c) => c.charCodeAt(0));
for (let sent = 0; sent < request.byteLength; ) {
  sent += await os.send(fd, request.buffer.slice(sent));
}

const chunk = new Uint8Array(4096);
for (let count; (count = await os.recv(fd, chunk.buffer, chunk.byteLength)) > 0; ) {
  std.out.write(chunk.buffer, 0, count);
}
std.out.flush();
os.close(fd);

/** @template T @param {T | number} result @returns {T} */
function must(result) {
  if (typeof result === "number" && result < 0) throw new Error(std.strerror(-result));
  return /** @type {T} */ (result);
}
