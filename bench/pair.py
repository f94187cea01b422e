#!/usr/bin/env python3
"""Interleaved comparison of servers, paired round by round. usage: pair.py [options] 'NAME|PORT|COMMAND' ...

Every server runs pinned to one core for the whole call, the client to another; in each round every server is
measured once, in an order that changes from round to round, after a round that warms up. The client is wrk over
HTTP, with --h2 h2load, with --handshakes `openssl s_time`, with --resumed bench/resume.py, with --redis redis-benchmark,
or with --load the program bench/load over raw TCP. CPU per request (or message) is what the server's process tree used
over the round (/proc/PID/task/*/schedstat, ns), 'user' the share of it that stat calls user time. Ratios are per round,
against the best of the bases in that round; medians are printed, and the middle half of the ratios.
"""
import argparse, os, re, shlex, signal, socket, statistics, subprocess, sys, time

options = argparse.ArgumentParser()
options.add_argument("--rounds", type=int, default=9)
options.add_argument("--conns", type=int, default=64)
options.add_argument("--secs", type=int, default=1, help="of one measurement")
options.add_argument("--base", default="", help="names, with commas; the first server without")
options.add_argument("--path", default="/", help="of HTTP requests")
options.add_argument("--wrk-args", default="", help="more arguments of wrk")
options.add_argument("--https", action="store_true", help="wrk speaks TLS")
options.add_argument("--handshakes", default="", help="options of openssl s_time: a connection for each request")
options.add_argument("--resumed", default="", help="1.2 or 1.3: a connection for each request, by a ticket of that TLS")
options.add_argument("--redis", default="", help="options of redis-benchmark, -n and -t among them")
options.add_argument("--load", default="", help="the client of raw TCP, in place of wrk")
options.add_argument("--udp", action="store_true", help="--load sends datagrams")
options.add_argument("--ws", action="store_true", help="--load sends frames of WebSocket")
options.add_argument("--topic", action="store_true", help="--load sends one message to all connections")
options.add_argument("--h2", default="", help="options of h2load, in place of wrk")
options.add_argument("--bytes", type=int, default=64, help="of a message of --load")
options.add_argument("--core", default="0", help="of the servers")
options.add_argument("--core-cpu", action="store_true", help="CPU is all that this core did: for servers whose processes end")
options.add_argument("--client-core", default="1")
options.add_argument("servers", nargs="+", metavar="NAME|PORT|COMMAND")
given = options.parse_args()
UNIT_US = {"us": 1, "ms": 1e3, "s": 1e6}


def stat(pid):
    """The fields of a process behind its name, which may have blanks."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def tree(pid):
    """A process and all below it."""
    pids = [pid]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(stat(entry)[1]) == pid:
                pids += tree(int(entry))
        except (OSError, IndexError):
            pass
    return pids


def used(pid):
    """CPU of a process tree so far: microseconds, and ticks of user and system time."""
    if given.core_cpu:
        with open("/proc/stat") as file:
            fields = next(line for line in file if line.startswith(f"cpu{given.core} ")).split()
        user, nice, system, _, _, irq, softirq = map(int, fields[1:8])
        user, system = user + nice, system + irq + softirq
        return (user + system) * 1e6 / os.sysconf("SC_CLK_TCK"), user, system
    ns = user = system = 0
    for each in tree(pid):
        try:
            fields = stat(each)
            user, system = user + int(fields[11]), system + int(fields[12])
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/schedstat") as file:
                    ns += int(file.read().split()[0])
        except OSError:
            pass  # One that has just ended.
    return ns / 1000, user, system


def resident(pid):
    """Resident memory of a process tree, in MB."""
    total = 0
    for each in tree(pid):
        try:
            with open(f"/proc/{each}/status") as file:
                found = re.search(r"VmRSS:\s+(\d+)", file.read())
        except OSError:
            continue  # One that has just ended.
        total += int(found[1]) if found else 0
    return total / 1024


def http(port):
    """One round of wrk: requests, seconds, microseconds of the median and of 99 %, what went wrong."""
    command = ["wrk", "-t1", f"-c{given.conns}", f"-d{given.secs}s", "--latency", *shlex.split(given.wrk_args)]
    ran = client([*command, f"http{'s' * given.https}://127.0.0.1:{port}{given.path}"])
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s)", ran)
    if not done:
        raise SystemExit(f"port {port}: wrk says\n{ran}")
    late = {share: float(n) * UNIT_US[unit] for share, n, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", ran)}
    wrong = re.search(r"Non-2xx.*|Socket errors.*", ran)
    seconds = float(done[2]) * UNIT_US[done[3]] / 1e6
    return int(done[1]), seconds, late.get("50", 0), late.get("99", 0), wrong[0] if wrong else ""


def handshakes(port):
    """One round of openssl s_time, in the same terms; it knows no times of a single one."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-www", given.path, "-time", str(given.secs)]
    ran = client([*command, *shlex.split(given.handshakes)])
    count, seconds = re.findall(r"(\d+) connections in (\d+) real seconds", ran)[-1]
    return int(count), float(seconds), 0, 0, ""


def resumed(port):
    """One round of resume.py, in the same terms; a handshake that was not resumed is told."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "resume.py")
    ran = client([sys.executable, script, str(port), given.resumed, given.path, str(given.secs)])
    told = {key: float(value) for key, value in re.findall(r"(\w+) ([\d.]+)", ran)}
    wrong = "" if told["full"] == 0 else f'{told["full"]:.0f} handshakes were full'
    return told["resumed"], told["seconds"], told["p50_us"], told["p99_us"], wrong


def redis(port):
    """One round of redis-benchmark: all its tests together, the times those of the slowest."""
    ran = client(["redis-benchmark", "-p", str(port), "-c", str(given.conns), "--csv", *shlex.split(given.redis)])
    each = int(re.search(r"-n (\d+)", given.redis)[1])
    rows = [[float(field) for field in re.findall(r'"([\d.]+)"', line)] for line in ran.splitlines()[1:]]
    seconds = sum(each / row[0] for row in rows)
    return each * len(rows), seconds, max(row[3] for row in rows) * 1e3, max(row[5] for row in rows) * 1e3, ""


def http2(port):
    """One round of h2load for a time, in the same terms; it prints a mean in place of a median."""
    url = f"http{'s' * given.https}://127.0.0.1:{port}{given.path}"
    command = ["h2load", "-t1", f"-c{given.conns}", f"--duration={given.secs}", *shlex.split(given.h2)]
    ran = client([*command, url])
    done = re.search(r"requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", ran)
    rate, mean = re.search(r"finished in .*?, ([\d.]+) req/s", ran), re.search(r"for request:(?: +\S+){2} +([\d.]+)(us|ms|s)", ran)
    if not done or not rate:
        raise SystemExit(f"port {port}: h2load says\n{ran}")
    wrong = "" if done[2] == done[3] == done[4] == "0" else done[0]
    count = int(done[1])
    return count, count / float(rate[1] or 1), float(mean[1]) * UNIT_US[mean[2]] if mean else 0, 0, wrong


def raw(port):
    """One round of bench/load, in the same terms."""
    kinds = [kind for kind in ("udp", "ws", "topic") if getattr(given, kind)]
    ran = client([given.load, *kinds, str(port), str(given.conns), str(given.bytes), str(given.secs)])
    told = {key: float(value) for key, value in re.findall(r"(\w+) ([\d.]+)", ran)}
    return told["messages"], told["seconds"], told["p50_us"], told["p99_us"], ""


def client(command):
    ran = subprocess.run(["taskset", "-c", given.client_core, *command], capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{shlex.join(command)}: {ran.stderr or ran.stdout}")
    return ran.stdout


def measure(server, port):
    before = used(server.pid)
    kinds = [(given.load, raw), (given.handshakes, handshakes), (given.resumed, resumed), (given.redis, redis), (given.h2, http2)]
    round_of = next((kind for wanted, kind in kinds if wanted), http)
    count, seconds, p50, p99, wrong = round_of(port)
    after = used(server.pid)
    cpu = (after[0] - before[0]) / max(count, 1)
    user, system = after[1] - before[1], after[2] - before[2]
    return {
        "cpu": cpu, "user": cpu * user / max(user + system, 1), "rate": count / seconds,
        "p50": p50, "p99": p99, "rss": resident(server.pid), "wrong": wrong,
    }


def await_port(name, server, port):
    for _ in range(200):
        if server.poll() is not None:
            raise SystemExit(f"{name} ended with {server.returncode}")
        try:
            if given.udp:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.settimeout(0.5)
                    probe.connect(("127.0.0.1", port))
                    probe.send(b"?")
                    return probe.recv(1)
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{name} does not listen on {port}")


def run():
    servers, results = {}, {}
    try:
        for spec in given.servers:
            name, port, command = spec.split("|", 2)
            pinned = ["taskset", "-c", given.core, *shlex.split(command)]
            server = subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            servers[name], results[name] = (server, int(port)), []
        for name, (server, port) in servers.items():
            await_port(name, server, port)
        names = list(servers)
        for turn in range(given.rounds + 1):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                result = measure(*servers[name])
                if turn > 0:
                    results[name].append(result)
    finally:
        for server, _ in servers.values():
            try:
                os.killpg(server.pid, signal.SIGTERM)
            except OSError:
                pass
    return results


def table(results):
    bases = [name for name in given.base.split(",") if name in results] or [next(iter(results))]
    best = lambda key, pick: [pick(results[base][turn][key] for base in bases) for turn in range(given.rounds)]
    cpus, rates = best("cpu", min), best("rate", max)
    unit = "msg" if given.load else "req"
    print(f'{"server":16}{"cpu us/" + unit:>11}{"best":>8}{"ratio":>7}{"low-high":>12}{"user":>7}{unit + "/s":>9}'
          f'{"ratio":>7}{"p50 us":>8}{"p99 us":>8}{"rss MB":>8}')
    for name, rows in sorted(results.items(), key=lambda item: statistics.median(row["cpu"] for row in item[1])):
        median = lambda key: statistics.median(row[key] for row in rows)
        ratios = sorted(row["cpu"] / base for row, base in zip(rows, cpus))
        quarter = len(ratios) // 4
        spread = f"{ratios[quarter]:.2f}-{ratios[-1 - quarter]:.2f}"
        rate = statistics.median(row["rate"] / base for row, base in zip(rows, rates))
        wrong = next((row["wrong"] for row in rows if row["wrong"]), "")
        print(f'{name:16}{median("cpu"):11.2f}{min(row["cpu"] for row in rows):8.2f}{statistics.median(ratios):7.2f}'
              f'{spread:>12}{median("user"):7.2f}{median("rate"):9.0f}{rate:7.2f}{median("p50"):8.0f}{median("p99"):8.0f}'
              f'{median("rss"):8.1f}  {wrong}'.rstrip())


table(run())
