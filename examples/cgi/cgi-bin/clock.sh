#!/bin/sh
# The time, each second: what a script writes goes out at once. curl -N http://127.0.0.1:8080/cgi-bin/clock.sh?3
printf 'Content-Type: text/plain\nCache-Control: no-store\n\n'
count=${1:-5} # the words of a query without "=" are arguments
while [ "$count" -gt 0 ] 2>/dev/null; do
  date '+%H:%M:%S'
  count=$((count - 1))
  [ "$count" = 0 ] || sleep 1
done
