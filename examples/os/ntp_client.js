/*
 * An NTP client (SNTP, RFC 5905 section 14): how far this machine's clock is off, from one exchange.
 *
 *   jsserve examples/os/ntp_client.js [HOST [PORT]]       pool.ntp.org, 123
 *
 * It sets no clock.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

const PACKET_BYTES = 48;
/** Seconds from 1900, where NTP counts from, to 1970. */
const SECONDS_1900_TO_1970 = 2_208_988_800;
const WAIT_MS = 3_000;

const [host = "pool.ntp.org", port = "123"] = scriptArgs.slice(1);
const found = os.getaddrinfo(host, { service: port, socktype: os.SOCK_DGRAM });
if (typeof found === "number" || found.length === 0) throw new Error(`${host} has no address`);
const server = found[0];

const fd = os.socket(server.family, os.SOCK_DGRAM);
if (fd < 0) throw new Error(`socket: ${std.strerror(-fd)}`);
// A number that nobody can guess stands for our time: the answer has to repeat it.
const packet = new DataView(new ArrayBuffer(PACKET_BYTES));
packet.setUint8(0, (4 << 3) | 3); // version 4, client
crypto.getRandomValues(new Uint8Array(packet.buffer, 40, 8));

const sent = Date.now();
await os.sendto(fd, packet, PACKET_BYTES, server);
const timer = setTimeout(() => os.close(fd), WAIT_MS); // ends the recvfrom below
const answer = await receive().catch(() => null);
if (answer === null) {
  std.err.puts(`${host} port ${port} does not answer\n`);
  std.exit(1);
}
clearTimeout(timer);
os.close(fd);
const received = Date.now();

const stratum = answer.getUint8(1);
if (stratum === 0) {
  const code = String.fromCharCode(...new Uint8Array(answer.buffer, 12, 4)).replace(/[^A-Z]/g, "");
  throw new Error(`${host} refuses: ${code}`);
}
if (answer.getUint8(0) >> 6 === 3 || stratum > 15) throw new Error(`${host} does not know the time itself`);

const [arrived, left] = [time(answer, 32), time(answer, 40)];
const offset = (arrived - sent + (left - received)) / 2;
const delay = received - sent - (left - arrived);
console.log(`server  ${server.addr} port ${server.port}, stratum ${stratum}`);
console.log(`time    ${new Date(received + offset).toISOString()}`);
console.log(`offset  ${offset.toFixed(1)} ms, this clock is ${offset < 0 ? "ahead" : "behind"}`);
console.log(`delay   ${Math.max(delay, 0).toFixed(1)} ms there and back`);

/** The answer to our packet; whatever else arrives is left aside. */
async function receive() {
  const buffer = new ArrayBuffer(512);
  for (;;) {
    const [length, from] = await os.recvfrom(fd, buffer);
    const view = new DataView(buffer);
    const isServer = (view.getUint8(0) & 7) === 4 && from.addr === server.addr && from.port === server.port;
    const isOurs = view.getBigUint64(24) === packet.getBigUint64(40);
    if (length >= PACKET_BYTES && isServer && isOurs) return view;
  }
}

/** A timestamp of a packet, in milliseconds since 1970; its seconds run over in 2036. @param {DataView} view @param {number} at */
function time(view, at) {
  const seconds = view.getUint32(at);
  const era = seconds < 0x8000_0000 ? 0x1_0000_0000 : 0;
  return (seconds + era - SECONDS_1900_TO_1970) * 1000 + (view.getUint32(at + 4) / 0x1_0000_0000) * 1000;
}
