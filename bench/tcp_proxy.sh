#!/bin/bash
# CPU of a TCP proxy (examples/tcp_proxy.js) against Node's net and Bun: interleaved, paired rounds on one core; the
# target (an echo) and the client on the other. Of a round trip of 64 bytes, and of 512 KiB there and back, where the
# column of microseconds is that of milliseconds per GiB, near enough. Needs node, bun (npm) and python3.
#   BUN=... [BEFORE=an older jsserve] [RELEASE=a folder with the binaries] bench/tcp_proxy.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9}
bun=${BUN:-$(command -v bun)}
release=${RELEASE:-${CARGO_TARGET_DIR:-target}/release}
if [ -z "${RELEASE:-}" ]; then
  cargo build --release --quiet
  cargo build --release --quiet -p jsserve-bench-load
fi
env PORT=19300 taskset -c 1 "$bun" bench/servers/echo.bun.js &
target=$!
trap 'kill $target' EXIT
specs=(
  "node|19301|env PORT=19301 TARGET_PORT=19300 node bench/servers/tcp_proxy.node.js"
  "bun|19302|env PORT=19302 TARGET_PORT=19300 $bun bench/servers/tcp_proxy.bun.js"
)
proxy() { # name, port, binary, options
  specs+=("$1|$2|env TARGET=127.0.0.1:19300 $3 examples/tcp_proxy.js --env TARGET --port $2 --workers 1 --quiet ${4:-}")
}
proxy jsserve 19303 "$release/jsserve"
proxy jsserve-epoll 19304 "$release/jsserve" "--io epoll"
if [ -n "${BEFORE:-}" ]; then
  proxy before 19305 "$BEFORE"
  proxy before-epoll 19306 "$BEFORE" "--io epoll"
fi
for load in "64 64" "524288 4"; do
  set -- $load
  echo "== $1 bytes there and back, $2 connections, $rounds rounds"
  python3 bench/pair.py --load "$release/jsserve-bench-load" --rounds "$rounds" --bytes "$1" --conns "$2" --base node,bun "${specs[@]}"
done
