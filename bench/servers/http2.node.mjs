/* Node's node:http2 on PORT, clear with prior knowledge: of bench/http2.sh. */
import { createServer } from "node:http2";

createServer((request, response) => {
  response.setHeader("content-type", "text/plain");
  response.end("hello\n");
}).listen(Number(process.env.PORT), "127.0.0.1");
