#!/bin/bash
# CPU per request of a realistic handler against Bun and Node: interleaved, paired rounds on one core, keep-alive
# connections. Needs wrk and python3 (Debian), node, and bun (npm).
#   BUN=... [JSSERVE=another binary] bench/api.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9}
root=$PWD
bun=${BUN:-$(command -v bun)}
js=${JSSERVE:-${CARGO_TARGET_DIR:-$root/target}/release/jsserve}
[ -n "${JSSERVE:-}" ] || cargo build --release --quiet
cd "$(mktemp -d)"
for connections in 64 8; do
  echo "== bench/servers/api.js, GET /users/42?fields=all, $connections connections, $rounds rounds"
  python3 "$root/bench/pair.py" --rounds "$rounds" --conns "$connections" --secs 1 --base bun --path '/users/42?fields=all' \
    --wrk-args '-H "authorization: Bearer admin"' \
    "bun|19111|env PORT=19111 $bun run $root/bench/servers/api.js" \
    "node|19112|env PORT=19112 node $root/bench/servers/api.node.js" \
    "jsserve|19113|$js $root/bench/servers/api.js --port 19113 --workers 1 --quiet" \
    "jsserve-epoll|19114|$js $root/bench/servers/api.js --port 19114 --workers 1 --quiet --io epoll"
done
