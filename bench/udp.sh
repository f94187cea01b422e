#!/bin/bash
# CPU per datagram of a UDP echo, against Bun.udpSocket and Node's dgram: interleaved, paired rounds on one core, a
# table for each number of clients. Needs node, bun (npm) and python3.
#   BUN=... bench/udp.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-11}
bun=${BUN:-$(command -v bun)}
release=${CARGO_TARGET_DIR:-target}/release
if [ -z "${JSSERVE_BUILT:-}" ]; then
  cargo build --release --quiet
  cargo build --release --quiet -p jsserve-bench-load
fi
load=${LOAD:-$release/jsserve-bench-load}
for clients in ${CLIENTS:-64 1}; do
  echo "== UDP echo of 64 bytes, $clients clients, $rounds rounds"
  python3 bench/pair.py --udp --load "$load" --rounds "$rounds" --conns "$clients" --bytes 64 --base bun \
    "bun|19301|env PORT=19301 $bun bench/servers/udp.bun.js" \
    "node|19302|env PORT=19302 node bench/servers/udp.node.js" \
    "jsserve|19303|$release/jsserve bench/servers/udp.js --listen udp://127.0.0.1:19303 --workers 1 --quiet" \
    "jsserve-epoll|19304|$release/jsserve bench/servers/udp.js --listen udp://127.0.0.1:19304 --workers 1 --quiet --io epoll" \
    "jsserve-return|19305|$release/jsserve bench/servers/udp_return.js --listen udp://127.0.0.1:19305 --workers 1 --quiet"
done
