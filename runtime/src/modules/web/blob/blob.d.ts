/* The File API: bytes that never change. */

type BlobPart = ArrayBufferLike | ArrayBufferView | Blob | string;

interface BlobPropertyBag {
  /** A MIME type. */
  type?: string;
  /** "native": line endings of strings become "\n". */
  endings?: "transparent" | "native";
}

interface Blob {
  /** In bytes. */
  readonly size: number;
  /** A MIME type in lower case, or "". */
  readonly type: string;
  /** Shares the bytes; negative offsets count from the end. */
  slice(start?: number, end?: number, contentType?: string): Blob;
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Decoded as UTF-8. */
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
}

declare var Blob: {
  prototype: Blob;
  new (parts?: Iterable<BlobPart>, options?: BlobPropertyBag): Blob;
};

interface FilePropertyBag extends BlobPropertyBag {
  /** Milliseconds since 1970; now if not given. */
  lastModified?: number;
}

interface File extends Blob {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
}

declare var File: {
  prototype: File;
  new (parts: Iterable<BlobPart>, name: string, options?: FilePropertyBag): File;
};
