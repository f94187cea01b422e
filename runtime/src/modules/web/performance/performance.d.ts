/* The clock of High Resolution Time (section 3), User Timing Level 3, Performance Timeline Level 2. */

interface PerformanceEntry {
  readonly name: string;
  readonly entryType: string;
  /** Milliseconds since `timeOrigin`. */
  readonly startTime: number;
  readonly duration: number;
  toJSON(): any;
}

declare var PerformanceEntry: {
  prototype: PerformanceEntry;
};

interface PerformanceMarkOptions {
  /** Copied, as by structuredClone. */
  detail?: any;
  startTime?: number;
}

interface PerformanceMark extends PerformanceEntry {
  readonly detail: any;
}

declare var PerformanceMark: {
  prototype: PerformanceMark;
  new (markName: string, markOptions?: PerformanceMarkOptions): PerformanceMark;
};

interface PerformanceMeasureOptions {
  detail?: any;
  /** A mark's name or a time. */
  start?: string | number;
  duration?: number;
  end?: string | number;
}

interface PerformanceMeasure extends PerformanceEntry {
  readonly detail: any;
}

declare var PerformanceMeasure: {
  prototype: PerformanceMeasure;
};

type PerformanceEntryList = PerformanceEntry[];

interface PerformanceObserverInit {
  /** Stands alone. */
  entryTypes?: string[];
  type?: string;
  /** Brings what is in the timeline already. */
  buffered?: boolean;
}

interface PerformanceObserverEntryList {
  getEntries(): PerformanceEntryList;
  getEntriesByType(type: string): PerformanceEntryList;
  getEntriesByName(name: string, type?: string): PerformanceEntryList;
}

declare var PerformanceObserverEntryList: {
  prototype: PerformanceObserverEntryList;
};

interface PerformanceObserver {
  observe(options?: PerformanceObserverInit): void;
  disconnect(): void;
  takeRecords(): PerformanceEntryList;
}

/** At most 1,000 observe at a time in a worker. */
declare var PerformanceObserver: {
  prototype: PerformanceObserver;
  new (
    callback: (
      entries: PerformanceObserverEntryList,
      observer: PerformanceObserver,
      options: { droppedEntriesCount?: number },
    ) => any,
  ): PerformanceObserver;
  readonly supportedEntryTypes: readonly string[];
};

interface Performance extends EventTarget {
  /** Milliseconds since `timeOrigin`; never runs backwards. */
  now(): number;
  /** Milliseconds since 1970 of this engine's start. */
  readonly timeOrigin: number;
  toJSON(): { timeOrigin: number };
  /** The latest 10,000 marks, and as many measures, of a worker are kept; older ones leave the timeline. */
  mark(markName: string, markOptions?: PerformanceMarkOptions): PerformanceMark;
  measure(
    measureName: string,
    startOrMeasureOptions?: string | PerformanceMeasureOptions,
    endMark?: string,
  ): PerformanceMeasure;
  clearMarks(markName?: string): void;
  clearMeasures(measureName?: string): void;
  getEntries(): PerformanceEntryList;
  getEntriesByType(type: string): PerformanceEntryList;
  getEntriesByName(name: string, type?: string): PerformanceEntryList;
}

declare var Performance: {
  prototype: Performance;
};

declare var performance: Performance;
