#!/usr/bin/env python3
"""Instructions in user space for each request, of several builds. usage: instructions.py BINARY...

Counted by valgrind's callgrind, on epoll and one worker: the same number in each run, whatever else the machine does,
where pair.py tells nothing finer than its noise. It knows no system call, no cache and no clock: a ratio here is a
hint of where to look with pair.py, not a speed. Needs valgrind.
"""
import ctypes, os, re, socket, struct, subprocess, sys, tempfile, time

# Name, app, request (None: 64 bytes that come back), how many are counted.
WORKLOADS = [
    ("hello", "examples/hello.js", "/", 300),
    ("url", "bench/servers/url.js", "/", 300),
    ("JSON router", "bench/servers/api.js", "/users/42?fields=all", 300),
    ("interpreted", "bench/servers/interpreted.js", "/", 100),
    ("await echo", "bench/servers/echo.js", None, 1600),
    ("stream echo", "bench/servers/echo_streams.js", None, 800),
    ("hooks echo", "examples/echo_hooks.js", None, 1600),
]
PORT = 19900


def hide_auxv():
    """Has prctl(PR_GET_AUXV) fail in what is started: under valgrind it tells of a vDSO that is not there."""
    word = lambda code, yes, no, k: struct.pack("HBBI", code, yes, no, k)
    load_number, load_first_argument = word(0x20, 0, 0, 0), word(0x20, 0, 0, 16)
    allow, invalid = word(0x06, 0, 0, 0x7FFF0000), word(0x06, 0, 0, 0x00050000 | 22)
    PRCTL, GET_AUXV = 157, 0x41555856
    filters = [load_number, word(0x15, 0, 3, PRCTL), load_first_argument, word(0x15, 0, 1, GET_AUXV), invalid, allow]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(filters), b"".join(filters))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, "seccomp(2)"


def connect():
    client = socket.create_connection(("127.0.0.1", PORT), 30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def started(server):
    for _ in range(200):
        assert server.poll() is None, "the server does not start"
        try:
            return connect().close()
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("the server does not listen")


def send(path, client):
    if path is None:
        client.sendall(b"x" * 64)
        left = 64
        while left:
            left -= len(client.recv(64)) or sys.exit("the connection ended")
        return
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer admin\r\n\r\n".encode())
    assert client.recv(65536).startswith(b"HTTP/1.1 200"), path


def count(binary, app, path, number):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        flags = [app, "--port", str(PORT), "--workers", "1", "--io", "epoll", "--quiet"]
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", binary, *flags]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=hide_auxv)
        try:
            started(server)
            client = connect()
            control = lambda what: subprocess.run(
                ["callgrind_control", "-i", what, str(server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
            for _ in range(5):
                send(path, client)
            control("on")
            for _ in range(number):
                send(path, client)
            control("off")
        finally:
            server.terminate()
            server.wait()
        with open(out) as file:
            return sum(map(int, re.findall(r"^totals: (\d+)", file.read(), re.M))) / number


binaries = sys.argv[1:] or sys.exit(__doc__)
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
print(f"{'instructions each':20}" + "".join(f"{name[-24:]:>26}" for name in binaries) + "   last : first")
for name, app, path, number in WORKLOADS:
    counts = []
    for binary in binaries:
        try:
            counts.append(count(binary, app, path, number))
        except AssertionError:  # a build from before the app's handlers were there
            counts.append(float("nan"))
    print(f"{name:20}" + "".join(f"{n:26.0f}" for n in counts) + f"   {counts[-1] / counts[0]:.3f}", flush=True)
