#!/bin/bash
# CPU per message of a raw echo through the hooks of `tcp`, against Bun.listen: interleaved, paired rounds on one core,
# one table per size of message and number of connections. Needs bun (npm) and python3.
#   BUN=... bench/hooks.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-11}
bun=${BUN:-$(command -v bun)}
release=${CARGO_TARGET_DIR:-target}/release
if [ -z "${AS_BUILT:-}" ]; then
  cargo build --release --quiet
  cargo build --release --quiet -p jsserve-bench-load
fi
for load in 64:64 16384:64 262144:64 64:1 64:8 64:512; do
  bytes=${load%:*} conns=${load#*:}
  echo "== echo of $bytes bytes, $conns connections, $rounds rounds"
  python3 bench/pair.py --load "${LOAD:-$release/jsserve-bench-load}" --rounds "$rounds" --conns "$conns" --bytes "$bytes" --base bun \
    "bun|19212|env PORT=19212 $bun bench/servers/echo.bun.js" \
    "hooks|19213|$release/jsserve examples/echo_hooks.js --port 19213 --workers 1 --quiet" \
    "hooks-epoll|19214|$release/jsserve examples/echo_hooks.js --port 19214 --workers 1 --quiet --io epoll"
done
