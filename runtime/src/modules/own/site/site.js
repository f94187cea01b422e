/* The app of a folder: a request goes through the middleware of the folders above to the route that its path names.
 * Owns: which export is a handler and how it is called, who answers for an error. Must not know: which path leads where
 * (native functions do that), files. It is evaluated before anything of the site, whose patches it does not see. */
import {
  exact,
  failed,
  isDev,
  loadRoute,
  loadScript,
  plan as planOf,
  refusal,
  report,
  rest,
} from 'jsserve:internal/site/natives';

const { Request, Response, URL } = /** @type {any} */ (globalThis);
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const OF_PAGES = [
  'onRequestGet',
  'onRequestHead',
  'onRequestPost',
  'onRequestPut',
  'onRequestPatch',
  'onRequestDelete',
  'onRequestOptions',
];
/* What is loaded, by number. */
const routes = { __proto__: null },
  scripts = { __proto__: null };

const isFunction = (value) => typeof value === 'function';

/* A handler in the form of Pages, one function or several that follow each other. */
const ofPages = (value) => {
  const list = isFunction(value) ? [value] : value;
  if (typeof list !== 'object' || list === null || !isFunction(list[0])) return undefined;
  return { __proto__: null, list, run: undefined, app: undefined };
};

const ofFunction = (run) => ({ __proto__: null, list: undefined, run, app: undefined });

const ofDefault = (value) => {
  if (isFunction(value)) return ofFunction(value);
  if (typeof value !== 'object' || value === null || !isFunction(value.fetch)) return undefined;
  return { __proto__: null, list: undefined, run: undefined, app: value };
};

/* The handlers that a module exports: by method, and the one for all others. */
const handlersOf = (exports) => {
  const by = { __proto__: null };
  for (let at = 0; at < METHODS.length; at++) {
    const method = METHODS[at],
      own = exports[method];
    by[method] = isFunction(own) ? ofFunction(own) : ofPages(exports[OF_PAGES[at]]);
  }
  by.HEAD ??= by.GET;
  let allow = '';
  for (let at = 0; at < METHODS.length; at++) {
    const method = METHODS[at];
    if (by[method] !== undefined || method === 'OPTIONS') allow += `${allow === '' ? '' : ', '}${method}`;
  }
  const any = ofPages(exports.onRequest) ?? ofDefault(exports.default);
  return { __proto__: null, by, any, allow };
};

const routeOf = async (number) => {
  routes[number] ??= handlersOf(await loadRoute(number));
  return routes[number];
};

const scriptOf = async (number) => {
  scripts[number] ??= handlersOf(await loadScript(number));
  return scripts[number];
};

/* The request that goes on: the one that was given to next, where there is one. */
const replaced = (request, input, init) => {
  if (input === undefined) return request;
  if (input instanceof Request) return init === undefined ? input : new Request(input, init);
  return new Request(new URL(input, request.url), init);
};

const runPages = (list, at, state, request, next) => {
  if (at >= list.length) return next(request);
  const run = list[at];
  return run({
    request,
    env: state.env,
    params: state.plan.params ?? {},
    data: state.data,
    next: (input, init) => runPages(list, at + 1, state, replaced(request, input, init), next),
    waitUntil: (promise) => state.ctx.waitUntil(promise),
    passThroughOnException() {},
    ctx: state.ctx,
  });
};

const invoke = (handler, state, request, next) => {
  if (handler.list !== undefined) return runPages(handler.list, 0, state, request, next);
  if (handler.app !== undefined) return handler.app.fetch(request, state.env, state.ctx);
  const { run } = handler;
  return run(request, state.env, state.ctx, (input, init) => next(replaced(request, input, init)));
};

const respond = (entry, state, request) => {
  const handler = entry.by[request.method] ?? entry.any;
  if (handler === undefined) return refusal(entry.allow, request.method);
  return invoke(handler, state, request, rest);
};

/* What is behind all middleware. */
const answer = async (state, request) => {
  const { plan } = state;
  if (plan.route < 0) return rest(request);
  if (plan.middleware !== undefined) {
    const file = await exact(request);
    if (file !== null) return file;
  }
  return respond(await routeOf(plan.route), state, request);
};

/* Has the nearest _error answer; who fails in that is the error of the next one. */
const recover = async (state, request, error) => {
  const { errors } = state.plan;
  let last = error;
  for (let at = 0; at < errors.length; at++) {
    try {
      const entry = await loadScript(errors[at]),
        run = entry.default;
      if (!isFunction(run)) continue;
      report(last, request);
      const response = await run(last, request, state.env, state.ctx);
      if (response.status !== 200) return response;
      return new Response(response.body, { status: 500, headers: response.headers });
    } catch (again) {
      last = again;
    }
  }
  throw last;
};

/* The same; where something of the site answers for errors, middleware sees that answer, else what was thrown. */
const answerOrError = async (state, request) => {
  if (state.plan.errors === undefined) return answer(state, request);
  try {
    return await answer(state, request);
  } catch (error) {
    state.isRecovered = true;
    return recover(state, request, error);
  }
};

const step = async (state, at, request) => {
  const { middleware } = state.plan;
  if (middleware === undefined || at >= middleware.length) return answerOrError(state, request);
  const entry = await scriptOf(middleware[at]),
    handler = entry.by[request.method] ?? entry.any,
    next = (following) => step(state, at + 1, following);
  return handler === undefined ? next(request) : invoke(handler, state, request, next);
};

const guarded = async (state, request) => {
  const { errors, page } = state.plan;
  try {
    try {
      return await step(state, 0, request);
    } catch (error) {
      if (errors === undefined || state.isRecovered) throw error;
      return await recover(state, request, error);
    }
  } catch (error) {
    if (page === undefined || isDev()) throw error;
    report(error, request);
    return failed(request, page);
  }
};

const serve = (request, env, ctx) => {
  const plan = planOf(request),
    state = { __proto__: null, plan, env, ctx, data: {}, isRecovered: false };
  ctx.params = plan.params ?? {};
  if (plan.middleware !== undefined || plan.errors !== undefined || plan.page !== undefined)
    return guarded(state, request);
  const entry = routes[plan.route];
  return entry === undefined ? answer(state, request) : respond(entry, state, request);
};

export default { fetch: serve };
