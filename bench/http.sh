#!/bin/bash
# CPU per request against Bun, nginx and hyper: interleaved, paired rounds on one core, one table per number of
# connections. Needs wrk, nginx and python3 (Debian), and bun (npm).
#   BUN=... bench/http.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-11}
bun=${BUN:-$(command -v bun)}
cargo build --release --quiet
cargo build --release --quiet -p jsserve-bench-hyper
root=$PWD
release=${CARGO_TARGET_DIR:-$root/target}/release
js="$release/jsserve"
scratch=$(mktemp -d); cd "$scratch"
compare() { # connections app "environment of bun"
  python3 "$root/bench/pair.py" --rounds "$rounds" --conns "$1" --secs 1 --base bun \
    "bun|19101|env PORT=19101 $3 $bun $root/bench/servers/bun.js" \
    "nginx|19102|nginx -c $root/bench/servers/nginx.conf" \
    "hyper|19103|$release/jsserve-bench-hyper 19103" \
    "jsserve|19104|$js $root/$2 --port 19104 --workers 1 --quiet" \
    "jsserve-epoll|19105|$js $root/$2 --port 19105 --workers 1 --quiet --io epoll"
}
for connections in 64 1 8 512; do
  echo "== hello.js, $connections keep-alive connections, $rounds rounds"
  compare "$connections" examples/hello.js ""
done
echo "== url.js (async, reads request.url), 64 keep-alive connections, $rounds rounds; nginx and hyper reply as before"
compare 64 bench/servers/url.js "ASYNC=1"
