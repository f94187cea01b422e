/* Native functions for the modules of this folder (natives.rs, source.rs, pipe.rs). */

declare module 'jsserve:internal/streams/natives' {
  /** What a view looks at; undefined for what is none. `kind` is a number of the engine. */
  export function viewOf(value: any):
    | {
        kind: number;
        elementSize: number;
        buffer: ArrayBuffer;
        byteOffset: number;
        byteLength: number;
      }
    | undefined;
  export function makeView(kind: number, buffer: ArrayBuffer, byteOffset: number, length: number): any;
  export const UINT8: number;
  export function transferBuffer(buffer: ArrayBuffer): ArrayBuffer;
  export function isDetached(buffer: ArrayBuffer): boolean;
  export function byteLengthOf(value: any): number;
  export function newBuffer(byteLength: number): ArrayBuffer;
  export function sliceBuffer(buffer: ArrayBuffer, byteOffset: number, byteLength: number): ArrayBuffer;
  /** A Uint8Array of its own with the same bytes; an empty one of what has none. */
  export function cloneBytes(value: any): Uint8Array;
  /** A structured clone. */
  export function cloneChunk(value: any): any;
  export function copyBytes(
    to: ArrayBuffer,
    toOffset: number,
    from: ArrayBuffer,
    fromOffset: number,
    count: number,
  ): void;
  export function newSignal(): object;
  export function abortSignal(signal: object, reason: any): void;
  export function isSignal(value: any): boolean;
  export function isSignalAborted(signal: object): boolean;
  export function reasonOf(signal: object): any;
  export function followSignal(signal: object, algorithm: Function): void;
  export function forgetSignal(signal: object, algorithm: Function): void;
  /** UTF-8; undefined for no bytes. A high surrogate at the end is left out, unless it is the last of all. */
  export function encode(text: string, isLast: boolean): Uint8Array | undefined;
  export function newDecoder(label: string, fatal: boolean, ignoreBOM: boolean): object;
  export function decode(decoder: object, chunk: any, isMoreToCome: boolean): string;
  export function decoderEncoding(decoder: object): string;
  export function newCompressor(format: string): object;
  export function newDecompressor(format: string): object;
  export function feedCoder(coder: object, chunk: any, isLast: boolean): void;
  /** The next piece; undefined where there is none before more is fed. */
  export function takeCoded(coder: object): Uint8Array | undefined;
  /** Has objects of a class iterated asynchronously by a method. */
  export function isIterableBy(interface: Function, method: string): void;
  /** What iterators of streams do, each with its record, where there is no short way. */
  export function asIterators(next: Function, end: Function, someGenerator: Function): void;
  export function newIterator(record: object, fast: object | undefined): any;
  /** Its reader is released. */
  export function endIterator(iterator: any): void;
  /** A promise of a read's result; undefined where the stream is to read. `opens`: its state is ordinary. */
  export function fastRead(fast: object, opens: boolean): Promise<any> | undefined;
  /** A promise of the chunk being written; undefined where the stream is to write it. */
  export function fastWrite(fast: object, chunk: any, opens: boolean): Promise<void> | undefined;
  /** The answer of the read that waits: its chunk comes to the stream. */
  export function shutReads(fast: object): object | undefined;
  /** The write in flight, of whose end the stream hears. */
  export function shutWrites(fast: object): { size: number; answer: object } | undefined;
}

declare module 'jsserve:internal/streams/sources' {
  /** A promise of `{ bytes }`, of undefined at the end. */
  export function pullSource(source: object): Promise<{ bytes: Uint8Array } | undefined>;
  export function cancelSource(source: object): void;
  export function isBuffer(value: any): boolean;
  /** Puts a chunk into a sink; the error of one that is none. */
  export function putChunk(sink: object, chunk: any): Error | undefined;
  export function endSink(sink: object): void;
  export function failSink(sink: object, reason: any): void;
  export function gather(collector: object, chunk: any): void;
  /** What the collector makes of all chunks. */
  export function gathered(collector: object): any;
}

declare module 'jsserve:internal/streams/passages' {
  /** Begins to move bytes; `outcome` fulfils with how it ended. */
  export function beginPassage(
    source: object,
    sink: object,
  ): { passage: object; outcome: Promise<{ how: number; error: any }> };
  /** Whether it holds bytes that are not written yet. */
  export function stopPassage(passage: object): boolean;
}
