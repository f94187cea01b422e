/* The URL standard, section 6. */

interface URL {
  href: string;
  readonly origin: string;
  /** With its colon: "https:". */
  protocol: string;
  username: string;
  password: string;
  /** Host name and, unless it is the scheme's own, port. */
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  /** With its question mark, or "". */
  search: string;
  readonly searchParams: URLSearchParams;
  /** With its #, or "". */
  hash: string;
  toString(): string;
  toJSON(): string;
}

declare var URL: {
  prototype: URL;
  /** TypeError where `url` (with `base`) is no URL. */
  new (url: string | URL, base?: string | URL): URL;
  /** The same, but null where it is none. */
  parse(url: string | URL, base?: string | URL): URL | null;
  canParse(url: string | URL, base?: string | URL): boolean;
  /** A "blob:" URL, which the worker that made it knows until it is revoked. */
  createObjectURL(blob: Blob): string;
  revokeObjectURL(url: string): void;
};

interface URLSearchParams {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArg?: unknown): void;
  entries(): IteratorObject<[string, string], undefined>;
  keys(): IteratorObject<string, undefined>;
  values(): IteratorObject<string, undefined>;
  [Symbol.iterator](): IteratorObject<[string, string], undefined>;
}

declare var URLSearchParams: {
  prototype: URLSearchParams;
  new (
    init?: string | URLSearchParams | Iterable<readonly [string, string]> | { readonly [name: string]: string },
  ): URLSearchParams;
};
