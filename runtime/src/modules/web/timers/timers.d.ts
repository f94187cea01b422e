/* Timers of HTML, section 8.7; a callback is a function, never a string. */

/** Calls `callback` once, after `ms` milliseconds; returns its number for clearTimeout. */
declare function setTimeout(callback: (...args: any[]) => void, ms?: number, ...args: unknown[]): number;
/** Calls `callback` every `ms` milliseconds; returns its number for clearInterval. */
declare function setInterval(callback: (...args: any[]) => void, ms?: number, ...args: unknown[]): number;
declare function clearTimeout(id: number | null | undefined): void;
declare function clearInterval(id: number | null | undefined): void;
/** Calls `callback` when the running job ends, before anything else happens. */
declare function queueMicrotask(callback: () => void): void;
