/*
 * The client of chat_server.js: what is typed is said, what others say is printed.
 *
 *   jsserve examples/os/chat_client.js /tmp/chat.sock ada
 *
 * Ctrl-D ends it.
 */
// @ts-check

import * as os from "os";
import * as std from "std";
import { linesOf, readable } from "./lines.js";

const [path, name] = scriptArgs.slice(1);
if (name === undefined) {
  std.err.puts("usage: chat_client.js PATH NAME\n");
  std.exit(2);
}

const fd = os.socket(os.AF_UNIX, os.SOCK_STREAM);
await os.connect(fd, { family: os.AF_UNIX, path });
await os.send(fd, `${name}\n`, true);

// Both directions at the same time; the program ends with the first of them.
await Promise.race([hear(), say()]);
std.exit(0);

async function hear() {
  for await (const line of linesOf((buffer) => os.recv(fd, buffer))) {
    console.log(line.replace(/\p{Cc}/gu, "?")); // no control sequences for our terminal
  }
  console.log("* the server has ended the connection");
}

async function say() {
  for await (const line of linesOf((buffer) => readable(0, buffer))) {
    if (line.trim() !== "") await os.send(fd, `${line}\n`, true);
  }
  os.shutdown(fd, os.SHUT_WR);
  await hear(); // what is still under way
}
