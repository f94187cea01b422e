#!/bin/bash
# CPU per message of a WebSocket echo, and of one message to 1,000 subscribers of a topic, against Bun and npm's ws:
# interleaved, paired rounds on one core. Needs bun (npm), node, and a folder with `npm install ws`.
#   BUN=... WS_PACKAGES=... bench/websocket.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-11}
bun=${BUN:-$(command -v bun)}
release=${CARGO_TARGET_DIR:-target}/release
if [ -z "${AS_BUILT:-}" ]; then
  cargo build --release --quiet
  cargo build --release --quiet -p jsserve-bench-load
fi
load=${LOAD:-$release/jsserve-bench-load}
ours="$release/jsserve bench/servers/websocket.js --workers 1 --quiet"
node="node bench/servers/websocket.node.mjs"
for size in 64:64 16384:64 64:1 64:512; do
  bytes=${size%:*} conns=${size#*:}
  echo "== echo of $bytes bytes, $conns connections, $rounds rounds"
  python3 bench/pair.py --ws --load "$load" --rounds "$rounds" --conns "$conns" --bytes "$bytes" --base bun \
    "bun|19512|env PORT=19512 $bun bench/servers/websocket.bun.js" \
    "bun-again|19513|env PORT=19513 $bun bench/servers/websocket.bun.js" \
    "ws|19514|env PORT=19514 WS_PACKAGES=$WS_PACKAGES $node" \
    "jsserve|19515|$ours --port 19515" \
    "jsserve-epoll|19516|$ours --port 19516 --io epoll"
done
echo "== one message of 64 bytes to 1,000 subscribers, for each that hears it, $rounds rounds"
python3 bench/pair.py --topic --load "$load" --rounds "$rounds" --conns 1000 --bytes 64 --base bun \
  "bun|19522|env PORT=19522 $bun bench/servers/websocket.bun.js topic" \
  "bun-again|19523|env PORT=19523 $bun bench/servers/websocket.bun.js topic" \
  "ws|19524|env PORT=19524 WS_PACKAGES=$WS_PACKAGES $node topic" \
  "jsserve|19525|$ours --port 19525 topic" \
  "jsserve-epoll|19526|$ours --port 19526 --io epoll topic"
