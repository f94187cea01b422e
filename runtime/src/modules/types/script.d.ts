/* What a script finds beside its imports, as with `qjs`. */

/** The words of the command line from the script's name on; empty in a served app. */
declare var scriptArgs: string[];

/** In scripts only: its arguments as text with spaces between them, and a line feed, to standard output. */
declare function print(...data: unknown[]): void;
/** In scripts only: the name that this program was called by. */
declare var argv0: string;
/** In scripts only: all words of the command line. */
declare var execArgv: string[];
/** In scripts only: collects garbage now. */
declare function gc(): void;

interface ImportMeta {
  /** The module's file as a URL. */
  readonly url: string;
  /** Its path. */
  readonly filename: string;
  /** The folder that it is in. */
  readonly dirname: string;
  /** Whether this is the module that the command line names. */
  readonly main: boolean;
  /** The URL of what `import(specifier)` would load here; a file need not be there, a package has to. */
  resolve(specifier: string): string;
}
