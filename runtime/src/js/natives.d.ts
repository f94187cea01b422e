/* Native functions for the module of this folder (commonjs.rs). */

declare module 'jsserve:internal/js/commonjs_natives' {
  /** The name of the module that `name` names in the module `base`. */
  export function resolve(base: string, name: string): string;
  export function folder(path: string): string;
  export function isJson(path: string): boolean;
  /** The function of a CommonJS module; undefined for another. */
  export function body(path: string): Function | undefined;
  export function call(f: Function, receiver: any, ...args: any[]): any;
  export function json(path: string): any;
  export function namespace(name: string): any;
}
