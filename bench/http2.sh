#!/bin/bash
# CPU per request over HTTP/2 (clear, prior knowledge) against nginx, Node and Deno: h2load, interleaved, paired rounds on one core, a
# table for 1 and 64 connections with 1 and 32 streams each. Needs h2load (Debian: nghttp2-client), nginx, node, python3, deno (npm).
#   DENO=... bench/http2.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9} root=$PWD
deno=${DENO:-$(command -v deno)}
release=${CARGO_TARGET_DIR:-$root/target}/release
[ -n "${AS_BUILT:-}" ] || cargo build --release --quiet
scratch=$(mktemp -d); cd "$scratch"
for load in 1:1 1:32 64:1 64:32; do
  conns=${load%:*} streams=${load#*:}
  echo "== hello, $conns connections, $streams streams each, $rounds rounds"
  python3 "$root/bench/pair.py" --rounds "$rounds" --conns "$conns" --h2 "-m $streams" --base nginx \
    "nginx|19122|nginx -c $root/bench/servers/nginx.conf" \
    "node|19123|env PORT=19123 node $root/bench/servers/http2.node.mjs" \
    "deno|19124|env PORT=19124 $deno run --allow-net --allow-env $root/bench/servers/http2.deno.js" \
    "jsserve|19125|$release/jsserve $root/examples/hello.js --port 19125 --workers 1 --quiet" \
    "jsserve-epoll|19126|$release/jsserve $root/examples/hello.js --port 19126 --workers 1 --quiet --io epoll"
done
