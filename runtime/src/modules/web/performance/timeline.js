/* The methods of `performance` for entries (Performance Timeline Level 2, section 3; User Timing Level 3, section 3.1).
 * Owns: their arguments. Must not know: observers. */
import { copied, measured, PerformanceMark, startOf, time } from 'jsserve:internal/performance/entry';
import { buffered, clear, filtered, isType, latestMark } from 'jsserve:internal/performance/entry_buffer';
import { now } from 'jsserve:internal/performance/natives';
import { add } from 'jsserve:internal/performance/observer';
import { list } from 'jsserve:internal/webidl/list';
import { domException, typeError } from 'jsserve:internal/webidl/natives';
import { isObject } from 'jsserve:internal/webidl/webidl';

/* A mark's name or a time. */
const markOrTime = (value, what) => (typeof value === 'number' ? time(value, what) : `${value}`);
/* "Convert a mark to a timestamp" (section 3.1.3). */
const timeOf = (mark) => {
  if (typeof mark === 'string') {
    const entry = latestMark(mark);
    if (entry === undefined) domException('SyntaxError', `The mark '${mark}' does not exist`);
    return startOf(entry);
  }
  if (mark < 0) typeError('The time of a mark is negative');
  return mark;
};
/* PerformanceMeasureOptions. */
const measureOptions = (given) => {
  const { detail } = given;
  let { duration, end, start } = given;
  if (duration !== undefined) duration = time(duration, 'duration');
  if (end !== undefined) end = markOrTime(end, 'end');
  if (start !== undefined) start = markOrTime(start, 'start');
  return { __proto__: null, detail, duration, end, start };
};

const methods = {
  mark(name, options = undefined) {
    return add(new PerformanceMark(name, options));
  },
  measure(measureName, startOrOptions = undefined, endMark = undefined) {
    const name = `${measureName}`;
    let d = { __proto__: null },
      startMark;
    if (isObject(startOrOptions)) d = measureOptions(startOrOptions);
    else if (startOrOptions !== undefined && startOrOptions !== null) startMark = `${startOrOptions}`;
    if (endMark !== undefined) endMark = `${endMark}`;
    const { detail, duration, end, start } = d;
    if (detail !== undefined || duration !== undefined || end !== undefined || start !== undefined) {
      if (endMark !== undefined) typeError('measure: an end mark does not go with options');
      if (start === undefined && end === undefined)
        typeError('measure: the options have neither start nor end');
      if (start !== undefined && end !== undefined && duration !== undefined)
        typeError('measure: the options have start, end and duration');
    }
    let to, from;
    if (endMark !== undefined) to = timeOf(endMark);
    else if (end !== undefined) to = timeOf(end);
    else if (start !== undefined && duration !== undefined) to = timeOf(start) + timeOf(duration);
    else to = now();
    if (start !== undefined) from = timeOf(start);
    else if (duration !== undefined && end !== undefined) from = timeOf(end) - timeOf(duration);
    else from = startMark === undefined ? 0 : timeOf(startMark);
    return add(measured(name, from, to, copied(detail)));
  },
  clearMarks(name = undefined) {
    clear('mark', name === undefined ? undefined : `${name}`);
  },
  clearMeasures(name = undefined) {
    clear('measure', name === undefined ? undefined : `${name}`);
  },
  getEntries() {
    return filtered(buffered(undefined), undefined, undefined);
  },
  getEntriesByType(type) {
    type = `${type}`;
    return filtered(isType(type) ? buffered(type) : list(), undefined, type);
  },
  getEntriesByName(name, type = undefined) {
    name = `${name}`;
    return filtered(buffered(undefined), name, type === undefined ? undefined : `${type}`);
  },
};

export const { mark, measure, clearMarks, clearMeasures, getEntries, getEntriesByType, getEntriesByName } =
  methods;
