/* Native functions for the module of this folder (mod.rs). Routes and scripts are numbers. */

declare module 'jsserve:internal/site/natives' {
  /** What there is for the path of a request; what is empty is undefined. */
  export function plan(request: any): {
    /** Below 0: none. */
    route: number;
    params: Record<string, string | string[]> | undefined;
    middleware: number[] | undefined;
    errors: number[] | undefined;
    /** The folder of the nearest 500.html. */
    page: string | undefined;
  };
  /** The exports of a route's file, which is loaded now where it was not before. */
  export function loadRoute(number: number): Promise<any>;
  /** The same for middleware, and for who answers for errors. */
  export function loadScript(number: number): Promise<any>;
  /** The file that the path names, null where there is none. */
  export function exact(request: any): Promise<any>;
  /** The file or page that the path names, or the answer that there is none. */
  export function rest(request: any): Promise<any>;
  /** The page 500.html of a folder. */
  export function failed(request: any, folder: string): Promise<any>;
  /** 204 to OPTIONS, else 405, with Allow. */
  export function refusal(allow: string, method: string): any;
  /** Says in the log what a request has failed with. */
  export function report(error: any, request: any): void;
  export function isDev(): boolean;
}
