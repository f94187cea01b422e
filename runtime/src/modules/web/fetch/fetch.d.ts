/* Headers, Request, Response and fetch of the fetch standard, section 5. */

type HeadersInit = Headers | Iterable<readonly [string, string]> | { readonly [name: string]: string };
/** Chunks of a stream are Uint8Arrays; those of an iterator may be strings and buffers, too. */
type BodyInit =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | Blob
  | FormData
  | ReadableStream
  | AsyncIterable<string | ArrayBuffer | ArrayBufferView>
  | IteratorObject<string | ArrayBuffer | ArrayBufferView, any, any>;

interface Headers {
  append(name: string, value: string): void;
  delete(name: string): void;
  /** All values of that name, joined by ", ", of Cookie by "; "; null if there is none. */
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void;
  entries(): IteratorObject<[string, string], undefined>;
  keys(): IteratorObject<string, undefined>;
  values(): IteratorObject<string, undefined>;
  [Symbol.iterator](): IteratorObject<[string, string], undefined>;
}

declare var Headers: {
  prototype: Headers;
  new (init?: HeadersInit): Headers;
};

/** What Request and Response share; a body can be read once. */
interface Body {
  /** Of bytes; null where there is no body. A served request's is received as fast as it is read. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  /** Its type is the one that the headers say, normalised. */
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** Of a body of type multipart/form-data or application/x-www-form-urlencoded. */
  formData(): Promise<FormData>;
  json(): Promise<any>;
  text(): Promise<string>;
}

type ReferrerPolicy =
  | ""
  | "no-referrer"
  | "no-referrer-when-downgrade"
  | "same-origin"
  | "origin"
  | "strict-origin"
  | "origin-when-cross-origin"
  | "strict-origin-when-cross-origin"
  | "unsafe-url";
type RequestMode = "cors" | "no-cors" | "same-origin";
type RequestCredentials = "omit" | "same-origin" | "include";
type RequestCache = "default" | "no-store" | "reload" | "no-cache" | "force-cache" | "only-if-cached";
type RequestRedirect = "follow" | "error" | "manual";

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** Needed where the body is a stream. */
  duplex?: "half";
  /** An absolute URL, `about:client`, or empty for none. */
  referrer?: string;
  referrerPolicy?: ReferrerPolicy;
  mode?: RequestMode;
  credentials?: RequestCredentials;
  cache?: RequestCache;
  redirect?: RequestRedirect;
  integrity?: string;
  keepalive?: boolean;
  signal?: AbortSignal | null;
}

interface Request extends Body {
  /** In upper case for the methods of the standard, else as it was sent. */
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Headers;
  readonly destination: "";
  readonly referrer: string;
  readonly referrerPolicy: ReferrerPolicy;
  readonly mode: RequestMode;
  readonly credentials: RequestCredentials;
  readonly cache: RequestCache;
  readonly redirect: RequestRedirect;
  readonly integrity: string;
  readonly keepalive: boolean;
  /** Of a served request: aborts when the client goes away. */
  readonly signal: AbortSignal;
  readonly duplex: "half";
  clone(): Request;
}

declare var Request: {
  prototype: Request;
  new (input: Request | URL | string, init?: RequestInit): Request;
};

interface ResponseInit {
  /** 200 to 599. */
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

interface Response extends Body {
  /** "basic" of what `fetch` gives, whatever its origin. */
  readonly type: "basic" | "default" | "error";
  readonly url: string;
  readonly redirected: boolean;
  readonly status: number;
  /** Status 200 to 299. */
  readonly ok: boolean;
  readonly statusText: string;
  readonly headers: Headers;
  clone(): Response;
}

declare var Response: {
  prototype: Response;
  new (body?: BodyInit | null, init?: ResponseInit): Response;
  /** A network error. */
  error(): Response;
  /** `data` as JSON, with its content type. */
  json(data: unknown, init?: ResponseInit): Response;
  /** `status`: 301, 302, 303, 307 or 308. */
  redirect(url: string | URL, status?: number): Response;
};

/**
 * Asks a server by HTTP/1.1 or, over TLS, HTTP/2; `data:` and `blob:` URLs are answered in place.
 *
 * Rejects with the signal's reason where that aborts, else with a TypeError "fetch failed", whose `cause` is an
 * Error with a sentence that names the host and a `code` as Node has them (ECONNREFUSED, ENOTFOUND, ETIMEDOUT,
 * CERT_HAS_EXPIRED, ...). A body that breaks off fails in the same way, as "terminated".
 * A 3xx response to `redirect: "manual"` is the server's own. Bodies in gzip, deflate, br and zstd are decoded;
 * their Content-Encoding and Content-Length are not shown then.
 */
declare function fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;
