/* The clock of High Resolution Time, section 3. */

interface Performance extends EventTarget {
  /** Milliseconds since `timeOrigin`; never runs backwards. */
  now(): number;
  /** Milliseconds since 1970 of this engine's start. */
  readonly timeOrigin: number;
  toJSON(): { timeOrigin: number };
}

declare var Performance: {
  prototype: Performance;
};

declare var performance: Performance;
