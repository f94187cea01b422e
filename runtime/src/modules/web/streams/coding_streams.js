/* TextEncoderStream and TextDecoderStream (Encoding Standard, sections 7.4 and 7.5), CompressionStream and
 * DecompressionStream (Compression Standard).
 * Owns: the classes. Must not know: encodings and formats (native functions have them). */
import {
  decode,
  decoderEncoding,
  encode,
  feedCoder,
  newCompressor,
  newDecoder,
  newDecompressor,
  takeCoded,
} from 'jsserve:internal/streams/natives';
import { defaultCanEnqueue } from 'jsserve:internal/streams/readable_default';
import {
  createTransform,
  enqueue,
  initialize,
  newController,
  newTransform,
} from 'jsserve:internal/streams/transform';
import { asInterface, rejected, resolved, then } from 'jsserve:internal/webidl/natives';
import { dictionary, requireArguments } from 'jsserve:internal/webidl/webidl';

export class TextEncoderStream {
  #stream;

  constructor() {
    const state = { __proto__: null, high: '' };
    this.#stream = createTransform(
      (chunk, put) => {
        // A surrogate pair may be cut in two by the border of chunks.
        const text = `${state.high}${chunk}`;
        const last = text === '' ? '' : text[text.length - 1];
        state.high = last >= '\uD800' && last <= '\uDBFF' ? last : '';
        const bytes = encode(text, false);
        if (bytes !== undefined) put(bytes);
      },
      (put) => {
        if (state.high !== '') put(encode(state.high, true));
      },
    );
  }

  get encoding() {
    this.#stream;
    return 'utf-8';
  }
  get readable() {
    return this.#stream.readable.self;
  }
  get writable() {
    return this.#stream.writable.self;
  }
}

export class TextDecoderStream {
  #stream;
  #decoder;
  #fatal;
  #ignoreBOM;

  constructor(label = undefined, options = undefined) {
    const given = dictionary(options, 'options');
    const fatal = (this.#fatal = !!given.fatal);
    const ignoreBOM = (this.#ignoreBOM = !!given.ignoreBOM);
    const decoder = (this.#decoder = newDecoder(
      label === undefined ? 'utf-8' : `${label}`,
      fatal,
      ignoreBOM,
    ));
    this.#stream = createTransform(
      (chunk, put) => {
        const text = decode(decoder, chunk, true);
        if (text !== '') put(text);
      },
      (put) => {
        const text = decode(decoder, undefined, false);
        if (text !== '') put(text);
      },
    );
  }

  get encoding() {
    return decoderEncoding(this.#decoder);
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  get readable() {
    return this.#stream.readable.self;
  }
  get writable() {
    return this.#stream.writable.self;
  }
}

/* A stream of which each piece waits for the reader: no more is coded than is wanted. */
const createCoder = (native) => {
  const stream = newTransform();
  initialize(
    stream,
    () => undefined,
    1,
    () => 1,
    0,
    () => 1,
  );
  const pieces = () => {
    try {
      for (;;) {
        if (stream.writable.state === 'erroring') throw stream.writable.storedError;
        if (!defaultCanEnqueue(stream.readable.controller)) return resolved(undefined);
        const bytes = takeCoded(native);
        if (bytes === undefined) return resolved(undefined);
        enqueue(c, bytes);
        if (stream.backpressure) return then(stream.change.promise, pieces);
      }
    } catch (error) {
      return rejected(error);
    }
  };
  const run = (chunk, last) => {
    try {
      feedCoder(native, chunk, last);
    } catch (error) {
      return rejected(error);
    }
    return pieces();
  };
  const c = newController(
    stream,
    (chunk) => run(chunk, false),
    () => run(undefined, true),
    () => resolved(undefined),
  );
  return stream;
};

const coder = (name, make) => {
  const named = {
    [name]: class {
      #stream;

      constructor(format) {
        requireArguments(name, 1, arguments.length);
        this.#stream = createCoder(make(`${format}`));
      }

      get readable() {
        return this.#stream.readable.self;
      }
      get writable() {
        return this.#stream.writable.self;
      }
    },
  };
  return named[name];
};
export const CompressionStream = coder('CompressionStream', (format) => newCompressor(format));
export const DecompressionStream = coder('DecompressionStream', (format) => newDecompressor(format));

asInterface(TextEncoderStream, 'TextEncoderStream', 'encoding', 'readable', 'writable');
asInterface(TextDecoderStream, 'TextDecoderStream', 'encoding', 'fatal', 'ignoreBOM', 'readable', 'writable');
asInterface(CompressionStream, 'CompressionStream', 'readable', 'writable');
asInterface(DecompressionStream, 'DecompressionStream', 'readable', 'writable');
