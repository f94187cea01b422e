#!/bin/bash
# The reverse proxy against nginx's proxy_pass: the same upstream (nginx with a fixed reply of 2 bytes, and of 100 KB) behind both,
# over keep-alive connections on both sides. CPU of the proxy for each request; interleaved, paired rounds on one core. Needs
# nginx, wrk, python3. The goal: at most 1.2 of nginx's CPU.
#   bench/proxy.sh [rounds] > table.txt
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9} root=$PWD
release=${CARGO_TARGET_DIR:-$root/target}/release
[ -n "${AS_BUILT:-}" ] || cargo build --release --quiet
scratch=$(mktemp -d)
trap 'kill $upstream 2>/dev/null || true; rm -rf "$scratch"' EXIT
cd "$scratch"
chmod 755 . # for the user that nginx serves as
mkdir files
head -c 2 /dev/zero >files/small
head -c 100000 /dev/urandom >files/large
conf() { # name, port, what its server does
  cat >"$1.conf" <<CONF
worker_processes 1; daemon off; pid $scratch/$1.pid; error_log /dev/null crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path $scratch/$1-1; proxy_temp_path $scratch/$1-2;
  fastcgi_temp_path $scratch/$1-3; uwsgi_temp_path $scratch/$1-4; scgi_temp_path $scratch/$1-5;
  upstream behind { server 127.0.0.1:19700; keepalive 64; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$2; $3 }
}
CONF
}
conf upstream 19700 "location / { root $scratch/files; open_file_cache max=16; }"
conf proxy 19701 'location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }'
nginx -c "$scratch/upstream.conf" &
upstream=$!
flags="--workers 1 --quiet --proxy /=http://127.0.0.1:19700"
compare() { # options of pair.py
  python3 "$root/bench/pair.py" --rounds "$rounds" --base nginx "$@" \
    "nginx|19701|nginx -c $scratch/proxy.conf" \
    "jsserve|19702|$release/jsserve $flags --port 19702" \
    "jsserve-epoll|19703|$release/jsserve $flags --port 19703 --io epoll"
}
echo "== 2 bytes, 64 connections"
compare --conns 64 --path /small
echo "== 100 KB, 16 connections"
compare --conns 16 --path /large
