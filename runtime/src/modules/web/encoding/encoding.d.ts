/* The encoding standard: text to bytes and back; and base64 of HTML, section 8.3. */

interface TextEncoder {
  /** "utf-8" */
  readonly encoding: string;
  encode(input?: string): Uint8Array<ArrayBuffer>;
  /** As much as fits: `read` UTF-16 units of `source`, `written` bytes. */
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}

declare var TextEncoder: {
  prototype: TextEncoder;
  new (): TextEncoder;
};

interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** `stream`: more is to come, so that a character cut in two is completed by the next call. */
  decode(input?: ArrayBufferLike | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare var TextDecoder: {
  prototype: TextDecoder;
  /** `label`: a name of the standard's encodings, "utf-8" if not given. `fatal`: errors throw. */
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};

/** Decodes base64 to a string of bytes (U+0000 to U+00FF). */
declare function atob(data: string): string;
/** Encodes a string of bytes (U+0000 to U+00FF) as base64. */
declare function btoa(data: string): string;
