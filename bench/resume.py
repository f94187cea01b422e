#!/usr/bin/env python3
"""Resumed TLS handshakes, one after the other, each with one GET. usage: resume.py PORT 1.2|1.3 PATH SECONDS

`openssl s_time -reuse` keeps the session that it has when the handshake ends; in TLS 1.3 a ticket comes after that
(RFC 8446 section 4.6.1). Here the response is read first, and the next connection takes the newest ticket. Nothing is
verified, so that the client costs little. Prints how many were resumed and how many full, as the server decided: its
ServerHello says so.
"""
import socket, ssl, sys, time

port, version, path, seconds = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def get(session):
    """One connection: its session with the ticket that came, and whether the handshake was resumed."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
            tls.sendall(request)
            first = tls.recv(65536)
            if not first.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"port {port}: {first[:200]}")
            while tls.recv(65536):
                pass
            return tls.session, tls.session_reused


session, _ = get(None)
begin, times, full = time.monotonic(), [], 0
while (now := time.monotonic()) - begin < seconds:
    session, reused = get(session)
    times.append(time.monotonic() - now)
    full += not reused
times.sort()
took = time.monotonic() - begin
print(f"resumed {len(times) - full} full {full} seconds {took:.3f} p50_us {times[len(times) // 2] * 1e6:.0f} "
      f"p99_us {times[len(times) * 99 // 100] * 1e6:.0f}")
