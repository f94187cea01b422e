#!/bin/bash
# Two builds of jsserve against each other, and the older one against itself (A/A: the noise): the smallest handler and one that
# reads its URL at 1, 64 and 512 connections, the JSON router, a raw echo, a TCP proxy, interpreted code, start and memory.
# Interleaved, paired rounds on one core. Needs wrk, python3.
#   bench/versions.sh BEFORE AFTER [rounds] > table.txt     (LOAD=the program of bench/load; IO=epoll for the other backend)
set -euo pipefail
before=$(readlink -f "$1") after=$(readlink -f "$2") rounds=${3:-9}
cd "$(dirname "$0")/.."
load=${LOAD:-${CARGO_TARGET_DIR:-target}/release/jsserve-bench-load}
io=${IO:-auto}
port=19500
# Compares an app in three servers: the older build twice, and the newer one.
compare() { # app, options of pair.py
  local app=$1; shift
  port=$((port + 10))
  python3 bench/pair.py --rounds "$rounds" --base before "$@" \
    "before|$port|$before $app --port $port --workers 1 --quiet --io $io ${flags:-}" \
    "again|$((port + 1))|$before $app --port $((port + 1)) --workers 1 --quiet --io $io ${flags:-}" \
    "after|$((port + 2))|$after $app --port $((port + 2)) --workers 1 --quiet --io $io ${flags:-}"
}
for connections in 1 64 512; do
  echo "== examples/hello.js, $connections connections"
  compare examples/hello.js --conns "$connections"
  echo "== bench/servers/url.js, $connections connections"
  compare bench/servers/url.js --conns "$connections"
done
echo "== bench/servers/api.js, GET /users/42?fields=all, 64 connections"
compare bench/servers/api.js --conns 64 --path '/users/42?fields=all' --wrk-args '-H "authorization: Bearer admin"'
echo "== bench/servers/interpreted.js, 8 connections"
compare bench/servers/interpreted.js --conns 8
if [ -x "$load" ]; then
  echo "== bench/servers/echo.js, 64 bytes, 64 connections"
  compare bench/servers/echo.js --conns 64 --bytes 64 --load "$load"
  taskset -c 1 "$before" examples/echo_streams.js --port 19499 --workers 1 --quiet &
  target=$!
  trap 'kill $target' EXIT
  export TARGET=127.0.0.1:19499
  echo "== examples/tcp_proxy.js, 64 bytes, 64 connections"
  flags="--env TARGET" compare examples/tcp_proxy.js --conns 64 --bytes 64 --load "$load"
fi
for binary in "$before" "$after" "$before" "$after"; do
  echo "== start and memory: $([ "$binary" = "$before" ] && echo before || echo after)"
  python3 bench/start.py "$binary" examples/hello.js
done
