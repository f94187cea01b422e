/*
 * Waiting costs nothing: many requests wait on one core at the same time.
 *
 *   jsserve examples/slow.js --port 8080 --workers 1
 *   curl 'http://127.0.0.1:8080/sleep?ms=500'            answers after 500 ms
 *   curl 'http://127.0.0.1:8080/parallel?count=20&ms=200'  20 waits at once: 200 ms, not 4 s
 *   curl 'http://127.0.0.1:8080/deadline?ms=5000&within=100'  gives up after 100 ms
 *   curl 'http://127.0.0.1:8080/cpu?rounds=100000'       computes: this one does hold its core
 */
// @ts-check

/** @type {{ [path: string]: (query: URLSearchParams) => Response | Promise<Response> }} */
const routes = {
  "/sleep": async (query) => {
    const ms = number(query, "ms", 100, 10_000);
    await sleep(ms);
    return Response.json({ slept: ms });
  },

  "/parallel": async (query) => {
    const count = number(query, "count", 10, 100);
    const ms = number(query, "ms", 100, 10_000);
    const start = performance.now();
    await Promise.all(Array.from({ length: count }, () => sleep(ms)));
    return Response.json({ waits: count, took: Math.round(performance.now() - start) });
  },

  "/deadline": async (query) => {
    const ms = number(query, "ms", 1_000, 10_000);
    const within = number(query, "within", 100, 10_000);
    const controller = new AbortController();
    const deadline = setTimeout(() => controller.abort(), within);
    try {
      await sleep(ms, controller.signal);
      return Response.json({ slept: ms });
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      return Response.json({ error: `not done within ${within} ms` }, { status: 504 });
    } finally {
      clearTimeout(deadline);
    }
  },

  // Computation holds the whole core: keep it small, or the other requests of this worker wait.
  "/cpu": (query) => {
    const rounds = number(query, "rounds", 10_000, 200_000);
    let sum = 0;
    for (let i = 1; i <= rounds; i++) sum += i;
    return Response.json({ rounds, sum });
  },
};

/** @type {JSServe.App} */
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (!Object.hasOwn(routes, pathname)) {
      return Response.json({ error: "not found", routes: Object.keys(routes) }, { status: 404 });
    }
    try {
      return await routes[pathname](searchParams);
    } catch (error) {
      if (error instanceof RangeError) return Response.json({ error: error.message }, { status: 400 });
      throw error;
    }
  },
};

/**
 * A promise that is kept after `ms`, or broken at once when `signal` aborts.
 * @param {number} ms @param {AbortSignal} [signal]
 */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/**
 * A whole number from the query, from 0 to `max`.
 * @param {URLSearchParams} query @param {string} name @param {number} fallback @param {number} max
 */
function number(query, name, fallback, max) {
  const value = Number(query.get(name) ?? fallback);
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${name} must be a whole number from 0 to ${max}`);
  }
  return value;
}
