/*
 * Files as responses: conditions, ranges, codings, types and caches as RFC 9110 has them. The bytes of a file go from the
 * kernel to the client, and not through JavaScript, as long as no script reads the body.
 *
 *     import { serveDir } from "jsserve:files"
 *     export default { fetch: (request) => serveDir(request, { root: "public", fallback: "index.html" }) }
 */

export interface ServeFileOptions {
  /** Cache-Control; "" for none. If not given it follows from `maxAge` and `immutable`. */
  cacheControl?: string;
  /** Seconds for which clients use the file without asking; 0, the default, has them ask each time. Pages are always asked for. */
  maxAge?: number;
  /**
   * Whether the file never changes under its name. If not given that is so for names with a hash in them, as builds write
   * them: app.3f2a9c1b.js.
   */
  immutable?: boolean;
  /** Further header fields of responses with contents; they replace ours of the same name. */
  headers?: HeadersInit;
  /** Whether there is an ETag; true if not given. */
  etag?: boolean;
  /** Whether .br, .zst and .gz beside the file are served to clients that take them; true if not given. */
  precompressed?: boolean;
  /** Content-Type, instead of what the name says. */
  contentType?: string;
  /** Instead of 200, for a page that says what went wrong: conditions and ranges do not count then. */
  status?: number;
}

export interface ServeDirOptions extends ServeFileOptions {
  /** The folder; the working folder if not given. Nothing outside of it is served, by links neither. */
  root?: string | URL;
  /** As `root`. */
  fsRoot?: string;
  /** What the paths of requests begin with, and paths in the folder do not: "/assets". */
  prefix?: string;
  /** As `prefix`. */
  urlRoot?: string;
  /** What a folder shows; "index.html" if not given, `false` for nothing. */
  index?: string | string[] | false;
  /** As `index: false`, if false. */
  showIndex?: boolean;
  /** The file for pages that are missing (requests whose Accept names text/html): an app with paths of its own. */
  fallback?: string;
  /** Whether a folder without index shows what it has; false if not given. */
  listing?: boolean;
  /** As `listing`. */
  showDirListing?: boolean;
  /** Whether names that begin with a dot are served; false if not given. /.well-known is served always. */
  dotfiles?: boolean;
  /** As `dotfiles`. */
  showDotfiles?: boolean;
}

/** The response to `request` with the file at `path`, which the app names: it is not looked for anywhere else. 404 if it is not there. */
export function serveFile(request: Request, path: string | URL, options?: ServeFileOptions): Promise<Response>;
/** The response to `request` with the file of a folder that its path names; 404 if there is none. */
export function serveDir(request: Request, options?: ServeDirOptions): Promise<Response>;

declare const files: { serveFile: typeof serveFile; serveDir: typeof serveDir };
export default files;
