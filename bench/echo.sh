#!/bin/bash
# CPU per message of a raw echo through `accept(fd, peer)` and through the streams of `connect(socket)`, against Node's
# net and Bun.listen: interleaved, paired rounds on one core, one table per size of message. Needs node, bun (npm), python3.
#   BUN=... bench/echo.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-11}
bun=${BUN:-$(command -v bun)}
cargo build --release --quiet
cargo build --release --quiet -p jsserve-bench-load
release=${CARGO_TARGET_DIR:-target}/release
for bytes in 64 16384; do
  echo "== echo of $bytes bytes, 64 connections, $rounds rounds"
  python3 bench/pair.py --load "$release/jsserve-bench-load" --rounds "$rounds" --conns 64 --bytes "$bytes" --base node,bun \
    "node|19201|env PORT=19201 node bench/servers/echo.node.js" \
    "bun|19202|env PORT=19202 $bun bench/servers/echo.bun.js" \
    "jsserve|19203|$release/jsserve bench/servers/echo.js --port 19203 --workers 1 --quiet" \
    "jsserve-epoll|19204|$release/jsserve bench/servers/echo.js --port 19204 --workers 1 --quiet --io epoll" \
    "streams|19205|$release/jsserve bench/servers/echo_streams.js --port 19205 --workers 1 --quiet" \
    "streams-epoll|19206|$release/jsserve bench/servers/echo_streams.js --port 19206 --workers 1 --quiet --io epoll"
done
