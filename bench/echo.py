#!/usr/bin/env python3
"""Interleaved comparison of echo servers, paired round by round. usage: echo.py --load CLIENT [options] 'NAME|PORT|COMMAND' ...

Every server runs pinned to core 0 for the whole call, the client to core 1; in each round every server is
measured once, in an order that changes from round to round. CPU per message is what the server's process tree
used over the round (/proc/PID/task/*/schedstat, ns), 'user' the share of it that stat calls user time. Ratios
are per round, against the better of the bases in that round; medians are printed.
"""
import argparse, os, re, shlex, signal, socket, statistics as st, subprocess, time

ap = argparse.ArgumentParser()
ap.add_argument("--load", required=True)
ap.add_argument("--rounds", type=int, default=9)
ap.add_argument("--conns", type=int, default=64)
ap.add_argument("--bytes", type=int, default=64)
ap.add_argument("--secs", type=int, default=1)
ap.add_argument("--base", default="node,bun")
ap.add_argument("specs", nargs="+")
a = ap.parse_args()


def tree(pid):
    pids = [pid]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()[1]) == pid:
                pids += tree(int(entry))
        except (OSError, IndexError):
            pass
    return pids


def cpu(pid):
    """CPU of a process tree so far, in microseconds, and its user and system ticks."""
    ns = user = system = 0
    for each in tree(pid):
        fields = open(f"/proc/{each}/stat").read().rsplit(")", 1)[1].split()
        user, system = user + int(fields[11]), system + int(fields[12])
        for task in os.listdir(f"/proc/{each}/task"):
            ns += int(open(f"/proc/{each}/task/{task}/schedstat").read().split()[0])
    return ns / 1000, user, system


def await_port(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def measure(pid, port):
    before = cpu(pid)
    words = [a.load, port, a.conns, a.bytes, a.secs]
    line = subprocess.run(["taskset", "-c", "1", *map(str, words)], capture_output=True, text=True)
    after = cpu(pid)
    if line.returncode:
        raise SystemExit(f"port {port}: {line.stderr}")
    heard = {key: float(value) for key, value in re.findall(r"(\w+) ([\d.]+)", line.stdout)}
    total = (after[0] - before[0]) / heard["messages"]
    user, system = after[1] - before[1], after[2] - before[2]
    user = total * user / max(user + system, 1)
    return {"cpu": total, "user": user, "rate": heard["messages"] / heard["seconds"], "p50": heard["p50_us"], "p99": heard["p99_us"]}


servers, results = {}, {}
try:
    for spec in a.specs:
        name, port, command = spec.split("|", 2)
        child = subprocess.Popen(["taskset", "-c", "0", *shlex.split(command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        servers[name], results[name] = (child, int(port)), []
    for child, port in servers.values():
        await_port(port)
    for turn in range(a.rounds + 1):
        names = list(servers)
        for name in names[turn % len(names):] + names[: turn % len(names)]:
            child, port = servers[name]
            result = measure(child.pid, port)
            if turn > 0:  # the first warms up
                results[name].append(result)
finally:
    for child, _ in servers.values():
        try:
            os.killpg(child.pid, signal.SIGTERM)
        except OSError:
            pass

bases = [name for name in a.base.split(",") if name in results] or [next(iter(results))]
best = lambda key, pick: [pick(results[base][i][key] for base in bases) for i in range(a.rounds)]
cpus, rates = best("cpu", min), best("rate", max)
print(f'{"server":16}{"cpu us/msg":>11}{"best":>8}{"ratio":>7}{"low-high":>12}{"user":>7}{"msg/s":>9}{"ratio":>7}{"p50 us":>8}{"p99 us":>8}')
for name, rows in sorted(results.items(), key=lambda item: st.median(row["cpu"] for row in item[1])):
    m = lambda key: st.median(row[key] for row in rows)
    ratios = sorted(row["cpu"] / base for row, base in zip(rows, cpus))
    quarter = len(ratios) // 4
    spread = f"{ratios[quarter]:.2f}-{ratios[-1 - quarter]:.2f}"
    rate = st.median(row["rate"] / base for row, base in zip(rows, rates))
    print(f'{name:16}{m("cpu"):11.2f}{min(row["cpu"] for row in rows):8.2f}{st.median(ratios):7.2f}{spread:>12}{m("user"):7.2f}{m("rate"):9.0f}{rate:7.2f}{m("p50"):8.0f}{m("p99"):8.0f}')
