#!/bin/bash
# CPU per request of the Redis example (examples/redis.js) against redis-server, by redis-benchmark: SET and GET, one
# command at a time and 16; interleaved, paired rounds on one core. Needs redis-server, redis-benchmark, python3.
#   bench/redis.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9} requests=${REQUESTS:-100000}
release=${CARGO_TARGET_DIR:-target}/release
[ -n "${AS_BUILT:-}" ] || cargo build --release --quiet
app="$release/jsserve examples/redis.js --workers 1 --quiet"
for pipeline in 1 16; do
  echo "== redis-benchmark -t set,get -P $pipeline, 50 connections, $rounds rounds"
  python3 bench/pair.py --rounds "$rounds" --conns 50 --base redis --redis "-t set,get -n $requests -P $pipeline" \
    "redis|19701|redis-server --port 19701 --save '' --appendonly no" \
    "jsserve|19702|$app --port 19702" \
    "jsserve-epoll|19703|$app --port 19703 --io epoll"
done
