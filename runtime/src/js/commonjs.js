/* CommonJS modules of one engine (Node.js, "Modules: CommonJS modules"): run once each, in the order of the calls of
 * `require`; one that is still running gives what it has exported so far.
 * Owns: what is loaded. Must not know: how names are resolved, how a body is compiled (native functions do that). */
import { body, call, folder, isJson, json, namespace, resolve } from 'jsserve:internal/js/commonjs_natives';

const modules = { __proto__: null };
const resolveFrom = (base, name) => {
  if (typeof name !== 'string') throw new TypeError('require: the name of a module is a string');
  try {
    return resolve(base, name);
  } catch (error) {
    error.code = 'MODULE_NOT_FOUND';
    throw error;
  }
};

const requireOf = (module) => {
  const require = (name) => load(resolveFrom(module.filename, name));
  require.resolve = (name) => resolveFrom(module.filename, name);
  require.cache = modules;
  require.main = undefined;
  return require;
};

export const load = (path) => {
  const known = modules[path];
  if (known !== undefined) return known.exports;
  const dirname = folder(path);
  const module = {
    id: path,
    path: dirname,
    exports: {},
    filename: path,
    loaded: false,
    children: [],
    paths: [],
  };
  if (isJson(path)) {
    module.exports = json(path);
  } else {
    const run = body(path);
    if (run === undefined) {
      const all = namespace(path);
      module.exports = 'module.exports' in all ? all['module.exports'] : all;
    } else {
      const require = requireOf(module);
      module.require = require;
      modules[path] = module;
      let done = false;
      try {
        call(run, module.exports, module.exports, require, module, path, dirname);
        done = true;
      } finally {
        if (!done) delete modules[path];
      }
    }
  }
  module.loaded = true;
  modules[path] = module;
  return module.exports;
};
