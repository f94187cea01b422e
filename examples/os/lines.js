/*
 * Lines out of bytes, and standard input as they come: imported by the chat and IRC examples.
 */
// @ts-check

import * as os from "os";
import * as std from "std";

/**
 * The lines of what `read` fills a buffer with, without their ends, until it answers 0. What follows
 * the last line feed is a line, too; bytes that are not UTF-8 become U+FFFD.
 * @param {(buffer: ArrayBuffer) => Promise<number>} read
 * @param {number} [charactersMax] of a line; a longer one throws
 */
export async function* linesOf(read, charactersMax = 8 * 1024) {
  const buffer = new ArrayBuffer(4 * 1024);
  const decoder = new TextDecoder();
  let rest = "";
  for (let count; (count = await read(buffer)) > 0; ) {
    const parts = (rest + decoder.decode(new Uint8Array(buffer, 0, count), { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > charactersMax) throw new RangeError("the line is too long");
    for (const line of parts) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

/**
 * Reads from a descriptor that is no socket when there is something: a terminal, a pipe.
 * @param {number} fd @param {ArrayBuffer} buffer
 * @returns {Promise<number>} bytes, 0 at the end
 */
export function readable(fd, buffer) {
  return new Promise((resolve, reject) => {
    const refused = os.setReadHandler(fd, () => {
      const count = os.read(fd, buffer, 0, buffer.byteLength);
      if (count === -std.Error.EAGAIN) return;
      os.setReadHandler(fd, null);
      if (count < 0) reject(new Error(std.strerror(-count)));
      else resolve(count);
    }) ?? 0;
    if (refused < 0) reject(new Error(std.strerror(-refused)));
  });
}
