/*
 * The console standard. log, info, debug, dirxml, dir, table and group write to standard output, warn,
 * error, trace and assert to standard error. The first string may hold %s %d %i %f %o %O %c %%.
 */

interface Console {
  log(...data: unknown[]): void;
  info(...data: unknown[]): void;
  debug(...data: unknown[]): void;
  dirxml(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
  /** With the stack of the call. */
  trace(...data: unknown[]): void;
  /** Prints unless `condition` holds. */
  assert(condition?: unknown, ...data: unknown[]): void;
  /** `depth`: how deep objects are shown, null for all of it. */
  dir(item?: unknown, options?: { depth?: number | null; showHidden?: boolean }): void;
  table(data?: unknown, columns?: string[]): void;
  group(...label: unknown[]): void;
  groupCollapsed(...label: unknown[]): void;
  groupEnd(): void;
  /** Ends all groups. */
  clear(): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...data: unknown[]): void;
  timeEnd(label?: string): void;
}

declare var console: Console;
