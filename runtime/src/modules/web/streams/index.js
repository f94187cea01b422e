/* The stream classes together, and what native code calls of them: whoever has one can pipe it to another.
 * Owns: nothing. Must not know: how any of them works. */
import 'jsserve:internal/streams/transfer';

export * from 'jsserve:internal/streams/body';
export {
  CompressionStream,
  DecompressionStream,
  TextDecoderStream,
  TextEncoderStream,
} from 'jsserve:internal/streams/coding_streams';
export { ByteLengthQueuingStrategy, CountQueuingStrategy } from 'jsserve:internal/streams/queuing_strategy';
export { ReadableStream } from 'jsserve:internal/streams/readable';
export { ReadableStreamBYOBReader } from 'jsserve:internal/streams/readable_byob';
export {
  ReadableByteStreamController,
  ReadableStreamBYOBRequest,
} from 'jsserve:internal/streams/readable_byte';
export {
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
} from 'jsserve:internal/streams/readable_default';
export { isReadableStream } from 'jsserve:internal/streams/readable_state';
export { TransformStream, TransformStreamDefaultController } from 'jsserve:internal/streams/transform';
export { WritableStream, WritableStreamDefaultController } from 'jsserve:internal/streams/writable';
export { WritableStreamDefaultWriter } from 'jsserve:internal/streams/writable_writer';
