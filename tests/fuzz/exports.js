/* Throws random arguments at every export of std and os, at FILE and at os.Worker, for a bounded time.
   Owns: which arguments each call may get: nothing beyond the scratch folder, own children, own descriptors;
   nothing that waits for what never comes. Must not know: what the calls answer, beyond "a value or an Error". */
import * as std from "std";
import * as os from "os";

/** Runs for `ms` in the folder `dir`; the text "ok ..." or what is wrong. */
export async function fuzz({ seed, ms, dir, served }) {
  let state = (seed >>> 0) || 1;
  const random = (n) => {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return (state >>> 0) % n;
  };
  const pick = (list) => list[random(list.length)];
  const any = (...makers) => () => pick(makers)();
  const of = (...values) => () => pick(values);

  // What the fuzz owns. `fds`: any use; `pipes`: never read or written, which would wait.
  const fds = new Set(), pipes = new Set(), sockets = new Set(), children = new Set(), files = new Set(), workers = new Set(), timers = [];
  const taken = (number) => { fds.delete(number); pipes.delete(number); sockets.delete(number); };
  const keep = (set, number) => { if (number > 2) { taken(number); set.add(number); } };
  const shut = (number) => { if (number > 2 && os.close(number) === 0) taken(number); };

  const detached = new ArrayBuffer(4); detached.transfer();
  const victims = [];
  const buffer = any(() => new ArrayBuffer(random(300)), () => new Uint8Array(random(300)), () => new DataView(new ArrayBuffer(9), 3),
    () => { const buffer = new ArrayBuffer(200, { maxByteLength: 400 }); victims.push(buffer); return buffer; },
    () => { const buffer = new ArrayBuffer(200); victims.push(buffer); return pick([buffer, new Uint8Array(buffer, 50)]); },
    () => new SharedArrayBuffer(64), () => new SharedArrayBuffer(16, { maxByteLength: 64 }), () => detached);
  /** What user code does in the middle of a call, while its arguments are converted. */
  const meddle = () => {
    const victim = victims.pop();
    switch (random(6)) {
      case 0: case 1: if (victim?.resizable) victim.resize(random(400)); else if (victim && !victim.detached) victim.transfer(); break;
      case 2: for (const fd of [...fds, ...sockets].slice(0, 2)) shut(fd); break;
      case 3: for (const file of files) { files.delete(file); try { file.close(); } catch {} break; } break;
      case 4: if (random(20) === 0) std.gc(); break;
      default: if (random(4) === 0) throw pick([null, undefined, 7, Symbol("thrown"), new RangeError("thrown")]);
    }
  };
  const template = "X".repeat(6);
  const trap = new Proxy(() => 1, { get(target, key) { if (key === Symbol.toPrimitive || random(2)) throw new Error("trap"); return target[key]; } });
  const sly = (value) => ({ valueOf() { meddle(); return value; }, toString() { meddle(); return String(value); } });
  const odd = of(null, {}, [], () => 1, Symbol("odd"), 5n, NaN, Infinity, -Infinity, -1, 0.5, 2 ** 53, 2 ** 31, "text", "", "7", "\ud800", true, detached, trap);
  const number = any(() => random(pick([3, 20, 500, 5000])), () => -random(9), () => random(2 ** 31), () => undefined, odd, () => sly(random(300)), () => BigInt(random(999)));
  const length = any(() => random(200), () => random(200), () => random(400), () => undefined, odd, () => sly(random(300)));
  const path = () => `${dir}/${pick(["a", "b", "c", "d", "d/e", "f/g", "none/x", "link", "x".repeat(300), "\ud800", "j.js"])}`;
  const file = any(path, path, path, path, of({}, Symbol("path"), 5n, detached, "a\0b", "", trap), () => sly(path()));
  const fd = any(() => pick([...fds]) ?? -1, () => pick([...fds]) ?? -1, () => pick([...sockets]) ?? -1, of(-1, 9999, 2 ** 31, -(2 ** 31)), odd, () => sly(pick([...fds]) ?? -1));
  const safe = any(() => pick([...fds]) ?? -1, () => pick([...fds]) ?? -1, of(-1, 9999), of(Symbol("fd"), 5n, trap), () => sly(pick([...fds]) ?? -1)); // never 0, which may wait
  const all = any(fd, fd, () => pick([...pipes]) ?? -1, () => random(40) + (served ? 0 : 3));
  const socket = any(() => pick([...sockets]) ?? -1, () => pick([...sockets]) ?? -1, fd);
  const address = any(of({ addr: "127.0.0.1", port: 1 }, { port: 0 }, { family: os.AF_UNIX, path: "\0fuzz" }, { port: 70000 }, { addr: "::1", port: 1 }, { addr: "x", port: 1 }), odd,
    () => ({ get port() { meddle(); return 1; }, addr: "127.0.0.1" }));
  const call = any(of(null, undefined), () => () => {}, () => () => { try { meddle(); } catch {} }, odd);
  const child = () => (children.size && random(4) ? pick([...children]) : pick([{}, Symbol("pid"), 5n, "none", trap]));
  const odds = (...more) => any(odd, ...more);
  const text = any(of("1 + 1", "throw null", "({", "import('std')", "async () => { await 1 }", "let a = 1; let a", "{".repeat(900), "\0", "`${", "eval('x')", "function f() { for (;;) { l: break l } }"), odd);
  const json = any(of("[1,2", "{a:1,}", "[".repeat(5000), "0x1f", "'\\x41'", "/* */ 1", "1e999", "nul", "{__proto__:1}", "\"\\ud800\""), odd);
  const format = any(of("%d", "%5.3f|%-9s", "%*d", "%.*s", "%c%c", "%%", "%", "%z", "%-+ #0999d", "%ld", "%x%o%i%u%e%g%a", "%s".repeat(30), "%.400f", "\0%s"), odd);
  const mode = any(of("r", "w", "a", "r+", "w+", "a+", "rb", "wx", "", "z", "wxyz", "r".repeat(99)), odd);
  const errors = of(undefined, {}, null, trap, { get errno() { return 1; }, set errno(value) { meddle(); } });
  const options = any(() => ({ block: random(9) === 0, stdin: random(2) ? undefined : safe(), stdout: random(2) ? undefined : safe(), stderr: random(2) ? undefined : all(), cwd: pick([undefined, dir, path()]),
    usePath: pick([true, false, 0, "x"]), file: pick([undefined, undefined, "true", 5]), env: pick([undefined, {}, { A: "b", c: 5 }, odd(), { get A() { meddle(); return "x"; } }]),
    uid: pick([undefined, undefined, odd()]), gid: pick([undefined, undefined, odd()]), groups: pick([undefined, [], [1, 2], odd()]) }), of({ block: false }, trap, null, 5));
  const pid = os.getpid();

  const calls = {
    std: {
      evalScript: [text, of(undefined, {}, { async: true }, { backtrace_barrier: true }, trap, null)], loadScript: [file], loadFile: [file, of(undefined, {}, { binary: true }, trap)],
      exit: [of(Symbol("code"), 5n, trap, { valueOf() { throw new Error("no"); } })], gc: [],
      getenv: [odds(of("FUZZ_A", "PATH", "a=b"))], setenv: [any(of("FUZZ_A", "FUZZ_B", "", "FUZZ=x", "FUZZ\0", Symbol("env"), trap)), odd], unsetenv: [any(of("FUZZ_A", "FUZZ_B", "", "FUZZ=x", Symbol("env")))], getenviron: [odd],
      urlGet: [of("http://127.0.0.1:1/", "x:", "", "http://[", Symbol("url"), 5n, trap, {}, "http://127.0.0.1:99999/"), of(undefined, {}, { full: true }, { binary: true }, trap, null)],
      parseExtJSON: [json], encode: [any(buffer, odd)], decode: [any(of("text", "\u00e9\ud800"), odd)], strerror: [number], open: [file, mode, errors], popen: [of("true", "echo x", "exit 3", "sleep 0.01", "kill -9 $$", "no-such-program 2>/dev/null", Symbol("command"), "a\0b", trap), of("r", "w", "r", "w", "rw", "", 5, trap), errors],
      fdopen: [safe, mode, errors], tmpfile: [errors], puts: [odd, odd], printf: [format, number, odd], sprintf: [format, number, odd, number], writeFile: [file, any(of("text", null, {}), buffer, odd)],
    },
    os: {
      open: [file, any(of(os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_CREAT | os.O_EXCL | os.O_WRONLY, os.O_TRUNC | os.O_RDWR), number), of(0o666, 0o600, undefined, {}, -1)],
      close: [fd], read: [safe, buffer, length, length], write: [safe, any(buffer, of("text", {})), length, length], seek: [fd, number, number], dup: [all], dup2: [fd, any(() => 500 + random(9), of(3, 4, 5, 6, -1, 2 ** 31, Symbol("fd")))], pipe: [],
      isatty: [all], ttyGetWinSize: [all], ttySetRaw: [all], remove: [file], rename: [file, file], realpath: [file], symlink: [file, file], readlink: [file], utimes: [file, number, number], stat: [file], lstat: [file],
      mkdir: [file, number], readdir: [file], getcwd: [odd], chdir: [file], mkdtemp: [any(() => path() + template, of(Symbol("p"), "a\0" + template, trap))], mkstemp: [any(() => path() + template, of(Symbol("p"), "", trap))],
      exec: [any(of(["true"], ["false", "x"], [], ["sleep", "0.01"], ["true", "a\0b"], [Symbol("word")], { length: 2 ** 32 }, { length: 2, 0: "true" }, trap, null), () => [path()], () => [sly("true"), "x"]), options],
      waitpid: [child, of(os.WNOHANG)], kill: [child, any(of(0, os.SIGTERM, os.SIGKILL, os.SIGSTOP, os.SIGCONT, 99, -1, {}), odd)], getpid: [odd], exePath: [odd], now: [odd], cputime: [odd],
      sleep: [of(0, 1, -5, NaN, undefined, "x", null, {}, Symbol("ms"), 5n)], sleepAsync: [of(0, 1, 3, -5, NaN, "x", {}, Symbol("ms"))],
      setTimeout: [call, of(0, 1, -1, NaN, {}, 1e9, trap)], setInterval: [call, of(1, 5, 1e9, NaN)], clearTimeout: [any(odd, () => pick(timers))], clearInterval: [any(odd, () => pick(timers))],
      signal: [of(os.SIGUSR1, os.SIGUSR2, 99, -1, 0, {}, 5n, 2 ** 40, os.SIGKILL), any(() => () => {}, of(undefined, null, {}, "x"))], setReadHandler: [any(all, socket), call], setWriteHandler: [any(all, socket), call],
      socket: [of(os.AF_INET, os.AF_INET6, os.AF_UNIX, 99, {}), of(os.SOCK_STREAM, os.SOCK_DGRAM, 77, "x"), of(undefined, 0, 17, 9999)], bind: [socket, address], listen: [socket, number], accept: [socket], connect: [socket, address], shutdown: [socket, number],
      getsockname: [socket], getpeername: [socket], recv: [socket, buffer, length, of(undefined, true, {})], send: [socket, any(buffer, of("text")), length, of(undefined, true)], recvfrom: [socket, buffer, length], sendto: [socket, buffer, length, address],
      setsockopt: [socket, number, any(number, buffer), number], getsockopt: [socket, number, any(number, buffer), number], getaddrinfo: [of("127.0.0.1", "::1", "localhost", {}, Symbol("host"), 5n, trap), any(of("80", 80, {}, { family: 2 }), odd)],
      getaddrinfoAsync: [of("127.0.0.1", "localhost", {}, Symbol("host")), any(of("80", 80, {}), odd)], Worker: [any(() => `${dir}/worker.js`, () => `${dir}/none.js`, of({}, Symbol("module"), trap))],
    },
    file: {
      close: [], puts: [odd, odd], printf: [format, number, odd], flush: [], tell: [], tello: [], seek: [number, number], eof: [], fileno: [], error: [], clearerr: [], read: [buffer, length, length], write: [any(buffer, of("text")), length, length],
      getline: [odd], readAsArrayBuffer: [any(length, () => undefined)], readAsString: [any(length, () => undefined)], getByte: [odd], putByte: [number],
    },
    worker: { postMessage: [any(odd, of({ a: [1, new Map([[1, 2]])] }, new Date(0), { get x() { return 1; } }), buffer), of(undefined, [], null, trap)] },
  };
  const missing = [];
  for (const [name, module] of [["std", std], ["os", os]]) {
    for (const key of Object.keys(module)) if (typeof module[key] === "function" && !calls[name][key]) missing.push(`${name}.${key}`);
  }
  const temporary = std.tmpfile();
  for (const key of Object.getOwnPropertyNames(Object.getPrototypeOf(temporary))) if (key !== "constructor" && !calls.file[key]) missing.push(`FILE.${key}`);
  temporary.close();
  if (missing.length) return `without arguments here: ${missing}`;

  const kept = (kind, name, result) => {
    if (result instanceof Promise) result.then((got) => { if (name === "accept") keep(sockets, got[0]); }, () => {});
    if (kind === "std" && ["open", "popen", "tmpfile", "fdopen"].includes(name) && result) files.add(result);
    if (kind !== "os") return;
    if (name === "open" && result > 2) keep(fds, result);
    if ((name === "dup" || name === "dup2") && result > 2) keep(pipes, result);
    if (name === "pipe" && result) result.forEach((fd) => keep(pipes, fd));
    if (name === "mkstemp" && result[1] > 2) keep(fds, result[1]);
    if (name === "socket") keep(sockets, result);
    if (name === "exec" && result > 0) children.add(result);
    if (name === "waitpid" && result[0] > 0) children.delete(result[0]);
    if (name === "setTimeout" || name === "setInterval") timers.push(result);
    if (name === "Worker" && result) workers.add(result);
  };
  const rare = { exec: 9, popen: 9, Worker: 60, urlGet: 5, readdir: 3, gc: 20, sleep: 4, sleepAsync: 2, mkdtemp: 3, mkstemp: 3 };
  const answered = new Set(), names = Object.entries(calls).flatMap(([kind, table]) => Object.keys(table).map((name) => [kind, name]))
    .filter(([, name]) => served || name !== "exit"); // in a script it ends the process whatever its argument, as in qjs
  const trace = std.getenv("FUZZ_TRACE");
  let log = "", count = 0, wrong = "";
  const one = ([kind, name], often) => {
    if (!often && rare[name] && random(rare[name])) return;
    const target = { std: () => std, os: () => os, file: () => pick([...files]), worker: () => pick([...workers]) }[kind]();
    if (!target || (name === "Worker" && workers.size > 3)) return;
    if (kind === "file" && target.pipe && /^(read|getline|getByte)/.test(name)) return;
    let args = calls[kind][name].map((make) => make());
    if (!["mkdtemp", "mkstemp", "exit", "waitpid"].includes(name) && random(8) === 0) args = args.slice(0, random(args.length + 1));
    log = `${kind}.${name}`;
    count++;
    if (trace) std.writeFile(`${dir}/../last`, `${log} ${args.map((arg) => { try { return typeof arg === "object" ? Object.prototype.toString.call(arg) : String(arg).slice(0,80); } catch { return "?"; } })}`);
    try {
      const result = name === "Worker" ? new os.Worker(...args) : target[name](...args);
      answered.add(log);
      if (kind === "std" && name === "popen" && result && args[1] === "w") result.pipe = true;
      kept(kind, name, result);
    } catch (error) { if (error instanceof Error) answered.add(log); }
    if (kind === "worker" && random(5) === 0) target.onmessage = pick([() => {}, null]); // what else throws, as in qjs
  };
  const clear = async () => {
    for (const id of timers.splice(0)) { os.clearTimeout(id); os.clearInterval(id); }
    for (const file of files) { files.delete(file); try { file.close(); } catch {} }
    for (const fd of [...fds, ...pipes, ...sockets]) {
      try { os.setReadHandler(fd, null); os.setWriteHandler(fd, null); } catch {}
      os.close(fd);
    }
    fds.clear(); pipes.clear(); sockets.clear();
    for (const fd of [500, 501, 502, 503, 504, 505, 506, 507, 508]) os.close(fd);
    if (!served) for (let fd = 3; fd < 44; fd++) os.close(fd);
    for (const worker of workers) { worker.postMessage("end"); worker.onmessage = null; workers.delete(worker); }
    for (const child of children) {
      os.kill(child, os.SIGKILL);
      for (let i = 0; i < 2000 && os.waitpid(child, os.WNOHANG)[0] === 0; i++) await os.sleepAsync(1);
      children.delete(child);
    }
    victims.length = 0;
    os.chdir(dir);
    await os.sleepAsync(2);
  };
  // A script may have closed 0 to 2, or opened them anew.
  const list = (folder) => os.readdir(`/proc/self/${folder}`)[0].filter((number) => number > 2).length;
  const resident = () => Number(std.loadFile("/proc/self/statm").split(" ")[1]) * 4096;

  if (!served) { os.signal(os.SIGUSR1, () => {}); os.kill(pid, os.SIGUSR1); }
  std.writeFile(`${dir}/worker.js`, `import { Worker } from "os"; const { parent } = Worker;
    parent.onmessage = ({ data }) => { parent.postMessage(data); if (data === "end") parent.onmessage = null; };`);
  const deadline = Date.now() + ms;
  let before = null, least = 0;
  // The resolver's thread begins with the first question, and stays.
  os.getaddrinfoAsync("first.test").catch(() => {});
  for (let round = 0; Date.now() < deadline || round < 3; round++) {
    for (let i = 0; i < 1500; i++) {
      one(pick(names));
      if (fds.size + pipes.size + sockets.size > 60 || files.size > 30) await clear();
      if (i % 20 === 0) await os.sleepAsync(0);
    }
    if (round === 0) {
      const worker = new os.Worker(`${dir}/worker.js`);
      workers.add(worker);
      for (let i = 0; i < 20; i++) try { worker.postMessage(...calls.worker.postMessage.map((make) => make())); answered.add("worker.postMessage"); } catch {}
    }
    await clear();
    std.gc();
    if (!before) for (let i = 0; i < 2; i++) { await os.sleepAsync(20); before = { fds: list("fd"), bytes: resident() }; }
  }
  // What chance, or a slow machine, has left out.
  for (const [kind, name] of names) {
    for (let i = 0; i < 200 && !answered.has(`${kind}.${name}`); i++) {
      one([kind, name], true);
      if (i % 20 === 0) await clear();
    }
  }
  await clear();
  for (let i = 0; i < 400 && (least = list("fd")) > before.fds; i++) await os.sleepAsync(5);
  const bytes = resident() - before.bytes;
  if (least > before.fds) wrong += `${least} descriptors, ${before.fds} before: ${os.readdir("/proc/self/fd")[0].map((fd) => `${fd}=${os.readlink(`/proc/self/fd/${fd}`)[0]}`)}; `;
  if (bytes > 64 << 20) wrong += `${bytes} bytes more; `;
  const silent = names.map((name) => name.join(".")).filter((name) => !answered.has(name));
  if (silent.length) wrong += `never called to an end: ${silent}; `;
  return wrong || `ok ${count} calls, ${bytes >> 10} KiB more`;
}
