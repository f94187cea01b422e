#!/bin/bash
# TLS against nginx (OpenSSL): full handshakes with an ECDSA and an RSA certificate, resumed ones, responses of 16 KiB. CPU of
# the server for each connection or response; interleaved, paired rounds on one core. Needs nginx, openssl, wrk, python3.
#   bench/tls.sh [rounds] > table.txt
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
head -c 16384 /dev/zero | tr '\0' x >files/large
echo ok >files/small
openssl ecparam -name prime256v1 -genkey -noout -out ecdsa.key
openssl genrsa -out rsa.key 2048 2>/dev/null
for kind in ecdsa rsa; do
  openssl req -x509 -key $kind.key -out $kind.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost
  port=$([ $kind = ecdsa ] && echo 19601 || echo 19611)
  cat >$kind.conf <<CONF
worker_processes 1; daemon off; pid $scratch/$kind.pid; error_log /dev/null crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path $scratch/t1; proxy_temp_path $scratch/t2;
  fastcgi_temp_path $scratch/t3; uwsgi_temp_path $scratch/t4; scgi_temp_path $scratch/t5;
  server {
    listen 127.0.0.1:$port ssl; ssl_certificate $scratch/$kind.pem; ssl_certificate_key $scratch/$kind.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; ssl_session_cache off; ssl_ecdh_curve X25519:prime256v1;
    location / { root $scratch/files; open_file_cache max=10; }
  }
}
CONF
done
compare() { # certificate, options of pair.py
  local kind=$1 nginx=19601
  shift
  [ "$kind" = ecdsa ] || nginx=19611
  local flags="--workers 1 --quiet --tls-cert $kind.pem --tls-key $kind.key"
  python3 "$root/bench/pair.py" --rounds "$rounds" --base nginx "$@" \
    "nginx|$nginx|nginx -c $scratch/$kind.conf" \
    "jsserve|$((nginx + 1))|$release/jsserve $root/bench/servers/large.js --listen https://127.0.0.1:$((nginx + 1)) $flags" \
    "jsserve-epoll|$((nginx + 2))|$release/jsserve $root/bench/servers/large.js --listen https://127.0.0.1:$((nginx + 2)) $flags --io epoll"
}
for kind in ecdsa rsa; do
  echo "== full handshakes, TLS 1.3, $kind, one response of 16 KiB each"
  compare $kind --secs 2 --path /large --handshakes "-new -tls1_3"
done
for version in 1.2 1.3; do
  echo "== handshakes resumed by tickets, TLS $version, ecdsa, one response of 16 KiB each"
  compare ecdsa --secs 2 --path /large --resumed $version
done
echo "== responses of 16 KiB, 64 connections"
compare ecdsa --https --conns 64 --path /large
