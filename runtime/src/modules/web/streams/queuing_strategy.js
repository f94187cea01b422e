/* ByteLengthQueuingStrategy and CountQueuingStrategy (Streams Standard, sections 7.2 and 7.3).
 * Owns: the classes. Must not know: who asks for sizes. */
import { asInterface, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, requireArguments } from 'jsserve:internal/webidl/webidl';

const strategyClass = (name, size) => {
  const fixed = {
    [name]: class {
      #mark;
      constructor(init) {
        requireArguments(name, 1, arguments.length);
        const { highWaterMark } = dictionary(init, 'init');
        if (highWaterMark === undefined) typeError(`${name}: highWaterMark is required`);
        this.#mark = +highWaterMark;
      }
      get highWaterMark() {
        return this.#mark;
      }
      get size() {
        this.#mark;
        return size;
      }
    },
  };
  return fixed[name];
};
export const ByteLengthQueuingStrategy = strategyClass(
  'ByteLengthQueuingStrategy',
  { size: (chunk) => chunk.byteLength }.size,
);
export const CountQueuingStrategy = strategyClass('CountQueuingStrategy', { size: () => 1 }.size);

asInterface(ByteLengthQueuingStrategy, 'ByteLengthQueuingStrategy', 'highWaterMark');
asInterface(CountQueuingStrategy, 'CountQueuingStrategy', 'highWaterMark');
