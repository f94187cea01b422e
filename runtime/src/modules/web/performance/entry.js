/* PerformanceEntry, PerformanceMark and PerformanceMeasure (Performance Timeline Level 2, User Timing Level 3).
 * Owns: the classes. Must not know: where entries are kept, who hears of them. */
import { cloneDetail, now } from 'jsserve:internal/performance/natives';
import { asInterface, typeError } from 'jsserve:internal/webidl/natives';
import { dictionary, requireArguments } from 'jsserve:internal/webidl/webidl';

const KEY = { __proto__: null };
/* A DOMHighResTimeStamp (Web IDL's double). */
export const time = (value, what) => {
  const number = +value;
  if (number - number !== 0) typeError(`${what} is not a finite number`);
  return number;
};

export let nameOf, typeOf, startOf;

export class PerformanceEntry {
  #name;
  #type;
  #start;
  #duration;

  static {
    nameOf = (entry) => entry.#name;
    typeOf = (entry) => entry.#type;
    startOf = (entry) => entry.#start;
  }

  constructor(key = undefined, name = undefined, type = undefined, start = undefined, duration = undefined) {
    if (key !== KEY) typeError('Illegal constructor');
    this.#name = name;
    this.#type = type;
    this.#start = start;
    this.#duration = duration;
  }

  get name() {
    return this.#name;
  }
  get entryType() {
    return this.#type;
  }
  get startTime() {
    return this.#start;
  }
  get duration() {
    return this.#duration;
  }
  toJSON() {
    return { name: this.#name, entryType: this.#type, startTime: this.#start, duration: this.#duration };
  }
}

export const copied = (detail) => (detail === undefined || detail === null ? null : cloneDetail(detail));

export class PerformanceMark extends PerformanceEntry {
  #detail;

  constructor(markName, markOptions = undefined) {
    requireArguments('PerformanceMark', 1, arguments.length);
    const name = `${markName}`,
      options = dictionary(markOptions, 'PerformanceMark: options');
    const { detail } = options;
    let { startTime } = options;
    if (startTime === undefined) startTime = now();
    else if ((startTime = time(startTime, 'startTime')) < 0) typeError('startTime is negative');
    super(KEY, name, 'mark', startTime, 0);
    this.#detail = copied(detail);
  }

  get detail() {
    return this.#detail;
  }
}

export let measured;

export class PerformanceMeasure extends PerformanceEntry {
  #detail;

  static {
    measured = (name, start, end, detail) => new PerformanceMeasure(KEY, name, start, end, detail);
  }

  constructor(key = undefined, name = undefined, start = undefined, end = undefined, detail = undefined) {
    super(key, name, 'measure', start, end - start);
    this.#detail = detail;
  }

  get detail() {
    return this.#detail;
  }
}

asInterface(PerformanceEntry, 'PerformanceEntry', 'name', 'entryType', 'startTime', 'duration');
asInterface(PerformanceMark, 'PerformanceMark', 'detail');
asInterface(PerformanceMeasure, 'PerformanceMeasure', 'detail');
