/*
 * An HTTP client in plain `os` calls, as the thread of the socket proposal spells them.
 *
 *   jsserve examples/os/http_client.js HOST [PORT [PATH]]     80, /
 *
 * Prints the response as it comes: status line, fields, body. http_client_hints.js is the same in the
 * spelling of the proposal's pull request.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

const [host, port = "80", path = "/"] = scriptArgs.slice(1);
if (host === undefined || /[\r\n]/.test(host + path)) {
  std.err.puts("usage: http_client.js HOST [PORT [PATH]]\n");
  std.exit(2);
}

const found = os.getaddrinfo(host, port);
if (typeof found === "number") throw new Error(`${host} port ${port}: no address (${found})`);

const fd = await connectToAny(found.filter((info) => info.socktype === os.SOCK_STREAM));
const request = [`GET ${encodeURI(path)} HTTP/1.0`, `Host: ${host}`, "Connection: close", "", ""];
await os.send(fd, request.join("\r\n"), true);

const buffer = new ArrayBuffer(16 * 1024);
let received = 0;
for (let count; (count = await os.recv(fd, buffer)) > 0; received += count) {
  std.out.write(buffer, 0, count);
}
std.out.flush();
os.close(fd);
if (received === 0) throw new Error(`${host} sent nothing`);

/** A connection to the first address that takes it. @param {os.AddressInfo[]} addresses */
async function connectToAny(addresses) {
  let refused = new Error(`${host} has no address`);
  for (const address of addresses) {
    const fd = os.socket(address.family, os.SOCK_STREAM);
    if (fd < 0) throw new Error(`socket: ${std.strerror(-fd)}`);
    try {
      await os.connect(fd, address);
      return fd;
    } catch (error) {
      os.close(fd);
      refused = /** @type {os.SystemError} */ (error);
    }
  }
  throw refused;
}
