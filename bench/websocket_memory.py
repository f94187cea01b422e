#!/usr/bin/env python3
"""Memory of WebSockets that wait, and one topic that reaches all of them. usage: websocket_memory.py BINARY [COUNT] [FLAG...]

Opens COUNT (5,000) keep-alive connections of plain HTTP, then as many WebSockets in one topic, on 2 workers, and prints
by how many bytes each makes the server's resident memory grow. Then 20 messages are published: each has to reach each
client once, in order. Clients are plain sockets of this one process; the kernel's memory for sockets is not the server's.
"""
import os, re, resource, selectors, socket, subprocess, sys, time

binary = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
MESSAGES = 20
APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "servers", "websocket.js")
OPENING = (
    b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
PLAIN = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
wanted = 2 * count + 200
if hard != resource.RLIM_INFINITY and hard < wanted:
    sys.exit(f"the limit of descriptors is {hard}, {wanted} are needed")
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def rss(pid):
    """Resident bytes, once they have settled."""
    last = 0
    while True:
        now = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) * 1024
        if abs(now - last) < 64 << 10:
            return now
        last = now
        time.sleep(0.3)


def head_of(client):
    """The head of an answer; what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(4096)
        if not more:
            sys.exit(f"a connection ended: {data!r}")
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest


def opened(port, request, status, number):
    clients = []
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(request)
        head, rest = head_of(client)
        assert head.startswith(b"HTTP/1.1 " + status), head
        assert rest == b"", rest
        clients.append(client)
    return clients


def masked(text):
    key = b"\x11\x22\x33\x44"
    return bytes([0x81, 0x80 | len(text)]) + key + bytes(c ^ key[i % 4] for i, c in enumerate(text))


def received(clients, expected):
    """Reads until each client has the bytes that are expected, and not one more."""
    selector = selectors.DefaultSelector()
    got = {client: b"" for client in clients}
    for client in clients:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
    left, deadline = len(clients), time.monotonic() + 120
    while left:
        if time.monotonic() > deadline:
            sys.exit(f"{left} clients of {len(clients)} have not heard all")
        for key, _ in selector.select(1):
            client = key.fileobj
            data = client.recv(65536)
            if not data:
                sys.exit("a client was closed")
            got[client] += data
            if not expected.startswith(got[client]):
                sys.exit(f"a client heard {got[client]!r}")
            left -= got[client] == expected
    time.sleep(0.3)
    for client in clients:
        try:
            sys.exit(f"a client heard more: {client.recv(100)!r}")
        except BlockingIOError:
            pass


flags = ["--workers", "2", "--port", "0", "--idle-timeout", "10m", "--websocket-ping", "10m", *sys.argv[3:]]
server = subprocess.Popen([binary, *flags, APP, "topic"], stdout=subprocess.PIPE, text=True)
try:
    line = server.stdout.readline()
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line)[1])
    # What is made once is there before.
    for request, status in ((PLAIN, b"426"), (OPENING, b"101")):
        for client in opened(port, request, status, 50):
            client.close()
    time.sleep(1)
    base = rss(server.pid)
    plain = opened(port, PLAIN, b"426", count)
    with_plain = rss(server.pid)
    sockets = opened(port, OPENING, b"101", count)
    with_sockets = rss(server.pid)
    of_plain, of_socket = (with_plain - base) / count, (with_sockets - with_plain) / count
    print(f"{count} of each on 2 workers; resident {base / 1e6:.1f}, {with_plain / 1e6:.1f}, {with_sockets / 1e6:.1f} MB")
    print(f"a connection of plain HTTP that waits: {of_plain:.0f} bytes")
    print(f"a WebSocket in a topic that waits:     {of_socket:.0f} bytes, {of_socket - of_plain:+.0f}")
    texts = [f"message {n}".encode() for n in range(MESSAGES)]
    begin = time.monotonic()
    for text in texts:
        sockets[0].sendall(masked(text))
    received(sockets, b"".join(bytes([0x81, len(text)]) + text for text in texts))
    print(f"{MESSAGES} messages reached each of them once, in order, within {time.monotonic() - begin:.1f} s")
    print(f"resident afterwards: {(rss(server.pid) - with_sockets) / count:+.0f} bytes for each")
    for client in plain + sockets:
        client.close()
    time.sleep(1)
finally:
    server.terminate()
    server.wait()
