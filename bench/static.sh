#!/bin/bash
# Static files against nginx (sendfile, open_file_cache): 1 KB, 100 KB, 10 MB over keep-alive connections. CPU of the server
# for each request; interleaved, paired rounds on one core. Needs nginx, wrk, python3.
#   bench/static.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9} root=$PWD
release=${CARGO_TARGET_DIR:-$root/target}/release
[ -n "${AS_BUILT:-}" ] || cargo build --release --quiet
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
chmod 755 . # for the user that nginx serves as
mkdir files
for size in 1000 100000 10000000; do head -c $size /dev/urandom >files/$size; done
cat >nginx.conf <<CONF
worker_processes 1; daemon off; pid $scratch/nginx.pid; error_log /dev/null crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; client_body_temp_path $scratch/t1;
  proxy_temp_path $scratch/t2; fastcgi_temp_path $scratch/t3; uwsgi_temp_path $scratch/t4; scgi_temp_path $scratch/t5;
  open_file_cache max=1024; open_file_cache_valid 1s;
  server { listen 127.0.0.1:19701; location / { root $scratch/files; } }
}
CONF
flags="--workers 1 --quiet --static $scratch/files"
compare() { # options of pair.py
  python3 "$root/bench/pair.py" --rounds "$rounds" --base nginx "$@" \
    "nginx|19701|nginx -c $scratch/nginx.conf" \
    "jsserve|19702|$release/jsserve $flags --port 19702" \
    "jsserve-epoll|19703|$release/jsserve $flags --port 19703 --io epoll" \
    "serveDir|19704|$release/jsserve $scratch/app.js --workers 1 --quiet --port 19704"
}
cat >app.js <<APP
import { serveDir } from "jsserve:files";
export default { fetch: (request) => serveDir(request, { root: "$scratch/files" }) };
APP
echo "== 1 KB, 64 connections"
compare --conns 64 --path /1000
echo "== 100 KB, 16 connections"
compare --conns 16 --path /100000
echo "== 10 MB, 4 connections"
compare --conns 4 --secs 2 --path /10000000
