/* Native functions for all modules (mod.rs). */

declare module 'jsserve:internal/webidl/natives' {
  /** A list of list.js. */
  export interface List {
    [index: number]: any;
    n: number;
  }
  export function typeError(message: string): never;
  export function rangeError(message: string): never;
  export function newTypeError(message: string): TypeError;
  /** Throws a DOMException. */
  export function domException(name: string, message: string): never;
  export function newDomException(name: string, message: string): Error;
  export function call(f: Function, receiver: any, ...args: any[]): any;
  /** A new promise, resolved with `value`. */
  export function resolved(value: any): Promise<any>;
  export function rejected(reason: any): Promise<never>;
  export function deferred(): {
    promise: Promise<any>;
    resolve: (value: any) => void;
    reject: (reason: any) => void;
  };
  /** The engine's own `then`. */
  export function then(
    promise: Promise<any>,
    fulfilled: ((value: any) => any) | undefined,
    rejected?: (reason: any) => any,
  ): Promise<any>;
  /** A rejection of `promise` is not reported. */
  export function handled(promise: Promise<any>): void;
  /** Gives out a promise after the other, each settled before the next. */
  export function newAnswer(): object;
  export function promised(answer: object): Promise<any>;
  /** The promise that is given out and not settled. */
  export function promiseOf(answer: object): Promise<any>;
  export function fulfil(answer: object, value: any): void;
  export function fail(answer: object, reason: any): void;
  /** Calls `f` in a job of its own; it does not throw. */
  export function job(f: Function, ...args: any[]): void;
  export function floor(number: number): number;
  /** A USVString: lone surrogates are replaced. */
  export function wellFormed(text: string): string;
  export function isIterable(value: any): boolean;
  export function array(list: List): any[];
  export function frozenArray(list: List): readonly any[];
  /** Gives a class what Web IDL has and a class body has not; people see the `attributes` of its objects. */
  export function asInterface(interface: Function, name: string, ...attributes: string[]): void;
  /** Gives an interface constants. */
  export function constants(interface: Function, values: object): void;
  /** Has structured cloning ask these functions for the objects of a module. */
  export function asPlatformObjects(functions: {
    __proto__: null;
    platformName: (value: any) => string | undefined;
    isTransferable?: (value: any) => boolean | undefined;
    transfer?: (value: any) => object;
  }): void;
  export const iteratorSymbol: typeof Symbol.iterator;
  export const asyncIteratorSymbol: typeof Symbol.asyncIterator;
}
