#!/usr/bin/env python3
"""Start to first answer, memory after load, size of the binary. usage: start.py BINARY APP [PORT]"""
import os, re, socket, statistics, subprocess, sys, time

binary, app = sys.argv[1], sys.argv[2]
port = int(sys.argv[3]) if len(sys.argv) > 3 else 19110


def start(*flags):
    return subprocess.Popen([binary, app, "--port", str(port), "--quiet", *flags], stderr=subprocess.DEVNULL)


def answer():
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
                return client.recv(1000)
        except ConnectionRefusedError:
            time.sleep(0.0002)


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


times = []
for _ in range(30):
    begin = time.perf_counter()
    server = start()
    try:
        assert answer().startswith(b"HTTP/1.1 200")
        times.append((time.perf_counter() - begin) * 1000)
    finally:
        assert server.poll() is None, f"another server has port {port}"
        server.terminate()
        server.wait()
print(f"start to first answer: median {statistics.median(times):.1f} ms, best {min(times):.1f}, worst {max(times):.1f}")

server = start("--workers", "2")
try:
    answer()
    fresh = rss(server.pid)
    for connections in (64, 512):
        load = ["wrk", "-t1", f"-c{connections}", "-d3s", f"http://127.0.0.1:{port}/"]
        subprocess.run(load, stdout=subprocess.DEVNULL)
    print(f"resident, two workers: {fresh:.1f} MB fresh, {rss(server.pid):.1f} MB after load with 64 and 512 connections")
finally:
    server.terminate()
    server.wait()
print(f"binary: {os.path.getsize(binary) / 1e6:.1f} MB")
