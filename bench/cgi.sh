#!/bin/bash
# CGI against lighttpd's mod_cgi and busybox httpd: the smallest program in C and in sh, 8 connections and one; and the
# smallest in JavaScript without a process, against lighttpd running it by jsserve, and by node and qjs where there are such.
# CPU is all that the servers' core did, for the processes of scripts end. Interleaved, paired rounds on one core. Needs wrk,
# python3, lighttpd, busybox, cc.
#   bench/cgi.sh [rounds] > table.txt          JSSERVE=binary: that one, and no build
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9} root=$PWD
jsserve=${JSSERVE:-${CARGO_TARGET_DIR:-$root/target}/release/jsserve}
[ -n "${JSSERVE:-}" ] || cargo build --release --quiet
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
chmod 755 .
mkdir cgi-bin
cat >hello.c <<'C'
#include <unistd.h>
int main(void) {
  static const char answer[] = "Content-Type: text/plain\r\n\r\nhello\n";
  return write(1, answer, sizeof answer - 1) < 0;
}
C
cc -O2 -o cgi-bin/hello hello.c
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nhello\\n"\n' >cgi-bin/hello.sh
chmod +x cgi-bin/hello.sh
cat >lighttpd.conf <<CONF
server.document-root = "$scratch"
server.bind = "127.0.0.1"
server.port = 19801
server.modules = ( "mod_cgi" )
server.max-keep-alive-requests = 1000000000
server.errorlog = "/dev/null"
\$HTTP["url"] =~ "^/cgi-bin/" { cgi.assign = ( "" => "" ) }
CONF
flags="--workers 1 --quiet --cgi $scratch/cgi-bin:/cgi-bin"
compare() { # options of pair.py
  python3 "$root/bench/pair.py" --rounds "$rounds" --core-cpu --base lighttpd "$@" \
    "lighttpd|19801|lighttpd -D -f $scratch/lighttpd.conf" \
    "busybox|19802|busybox httpd -f -p 127.0.0.1:19802 -h $scratch" \
    "jsserve|19803|$jsserve $flags --port 19803" \
    "jsserve-epoll|19804|$jsserve $flags --port 19804 --io epoll"
}
for program in hello hello.sh; do
  for connections in 8 1; do
    echo "== /cgi-bin/$program, $connections connections"
    compare --conns $connections --path /cgi-bin/$program
  done
done
javascript='console.log("Content-Type: text/plain\n\nhello")'
printf '%s\n' "$javascript" >cgi-bin/hello.js
chmod -x cgi-bin/hello.js
processes=()
for engine in "$jsserve" node qjs; do
  program=$(command -v "$engine") || continue
  name=$(basename "$engine")
  mkdir "by-$name"
  mkdir "by-$name/cgi-bin"
  printf '#!%s\n%s\n' "$program" "$javascript" >"by-$name/cgi-bin/hello.js"
  chmod +x "by-$name/cgi-bin/hello.js"
  port=$((19805 + ${#processes[@]}))
  sed "s|$scratch|$scratch/by-$name|; s|19801|$port|" lighttpd.conf >"by-$name.conf"
  processes+=("lighttpd-$name|$port|lighttpd -D -f $scratch/by-$name.conf")
done
for connections in 8 1; do
  echo "== /cgi-bin/hello.js, $connections connections"
  python3 "$root/bench/pair.py" --rounds "$rounds" --core-cpu --base "${processes[0]%%|*}" --conns $connections \
    --path /cgi-bin/hello.js "${processes[@]}" \
    "jsserve|19803|$jsserve $flags --port 19803" \
    "jsserve-epoll|19804|$jsserve $flags --port 19804 --io epoll"
done
