/* Globals that belong to no room of their own. */

declare var self: typeof globalThis;

/** Logs `error` as an exception that nobody caught; the program goes on. */
declare function reportError(error: unknown): void;

interface Navigator {
  /** Processors that the process may use. */
  readonly hardwareConcurrency: number;
  readonly language: string;
  readonly languages: readonly string[];
  readonly locks: LockManager;
  /** "jsserve/VERSION" */
  readonly userAgent: string;
}

declare var Navigator: {
  prototype: Navigator;
};

declare var navigator: Navigator;

/** A page as text: `import page from "./page.html" with { type: "text" }`. */
declare module "*.html" {
  const text: string;
  export default text;
}
