/* Forms: the XMLHttpRequest standard, section 4.3. */

type FormDataEntryValue = File | string;

interface FormData {
  append(name: string, value: string): void;
  append(name: string, value: Blob, filename?: string): void;
  delete(name: string): void;
  /** The first value of that name. */
  get(name: string): FormDataEntryValue | null;
  getAll(name: string): FormDataEntryValue[];
  has(name: string): boolean;
  /** Replaces all values of that name. */
  set(name: string, value: string): void;
  set(name: string, value: Blob, filename?: string): void;
  entries(): IteratorObject<[string, FormDataEntryValue], undefined>;
  keys(): IteratorObject<string, undefined>;
  values(): IteratorObject<FormDataEntryValue, undefined>;
  forEach(callback: (value: FormDataEntryValue, name: string, form: FormData) => void, thisArg?: any): void;
  [Symbol.iterator](): IteratorObject<[string, FormDataEntryValue], undefined>;
}

declare var FormData: {
  prototype: FormData;
  new (): FormData;
};
