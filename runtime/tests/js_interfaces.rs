//! The globals of ECMA-429 (the WinterTC Minimum Common API), User Timing and Web Locks: each is there,
//! with the shape that Web IDL gives it (sections 3.7 and 3.8).

use crate::driver::{check, check_async};

/// Interfaces: name, length of the constructor, parent.
const LIST: &str = r#"
const interfaces = `AbortController AbortSignal:0:EventTarget Blob BroadcastChannel:1:EventTarget ByteLengthQueuingStrategy:1 CloseEvent:1:Event CompressionStream:1
  CountQueuingStrategy:1 Crypto CryptoKey CustomEvent:1:Event DecompressionStream:1 DOMException:0:Error ErrorEvent:1:Event
  Event:1 EventSource:1:EventTarget EventTarget File:2:Blob FormData Headers Lock LockManager MessageChannel MessageEvent:1:Event MessagePort:0:EventTarget Performance:0:EventTarget
  PerformanceEntry PerformanceMark:1:PerformanceEntry PerformanceMeasure:0:PerformanceEntry PerformanceObserver:1 PerformanceObserverEntryList
  PromiseRejectionEvent:2:Event ReadableByteStreamController ReadableStream ReadableStreamBYOBReader:1
  ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader:1 Request:1 Response SubtleCrypto
  TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL:1
  URLPattern URLSearchParams WebSocket:1:EventTarget WritableStream WritableStreamDefaultController WritableStreamDefaultWriter:1`
  .trim().split(/\s+/).map((entry) => { const [name, length, parent] = entry.split(':'); return { name, length: +(length ?? 0), parent } });
const flags = (d) => [d.writable, d.enumerable, d.configurable].map(Number).join('');
"#;

fn checked(source: &str) {
    check(&format!("{LIST}{source}"));
}

#[test]
fn every_interface_is_a_hidden_property_of_the_global_object() {
    checked(
        r#"
        equal(interfaces.length, 54);
        for (const { name, length, parent } of interfaces) {
          const C = globalThis[name], d = Object.getOwnPropertyDescriptor(globalThis, name);
          equal(d.value, C, name); equal(flags(d), '101', name);
          equal(C.name, name); equal(C.length, length, name);
          equal(flags(Object.getOwnPropertyDescriptor(C, 'prototype')), '000', name);
          equal(flags(Object.getOwnPropertyDescriptor(C.prototype, 'constructor')), '101', name); equal(C.prototype.constructor, C, name);
          const tag = Object.getOwnPropertyDescriptor(C.prototype, Symbol.toStringTag); equal(tag.value, name); equal(flags(tag), '001', name);
          throws(() => C(), 'TypeError'); throws(() => C.call({}), 'TypeError');
          const up = parent === undefined ? undefined : globalThis[parent];
          equal(Object.getPrototypeOf(C.prototype), up?.prototype ?? Object.prototype, name);
          equal(Object.getPrototypeOf(C), up === undefined || parent === 'Error' ? Function.prototype : up, name);
        }
        "#,
    );
}

#[test]
fn those_without_a_constructor_cannot_be_made() {
    check(
        r#"
        for (const C of [AbortSignal, Crypto, CryptoKey, SubtleCrypto, Lock, LockManager, MessagePort, Performance, PerformanceEntry, PerformanceMeasure, PerformanceObserverEntryList, ReadableByteStreamController,
          ReadableStreamBYOBRequest, ReadableStreamDefaultController, TransformStreamDefaultController, WritableStreamDefaultController])
          throws(() => new C(), 'TypeError', 'Illegal constructor');
        "#,
    );
}

/// Own members: operations are enumerable, writable, configurable functions without a prototype;
/// attributes are accessors on the prototype; both refuse other receivers.
#[test]
fn members_are_where_web_idl_puts_them() {
    check_async(
        &*format!(
            "{LIST}{}",
            r#"
        const refused = async (f, what) => {
          let thrown;
          try { await f() } catch (error) { thrown = error }
          equal(thrown?.name, 'TypeError', what);
        };
        for (const { name } of interfaces) {
          const C = globalThis[name];
          for (const [holder, fixed] of [[C, ['length', 'name', 'prototype']], [C.prototype, ['constructor']]]) for (const key of Reflect.ownKeys(holder)) {
            if (fixed.includes(key)) continue;
            const d = Object.getOwnPropertyDescriptor(holder, key), what = `${name}.${String(key)}`;
            if (typeof key === 'symbol') { equal(d.enumerable, false, what); continue }
            ok(d.enumerable, what);
            if (d.get !== undefined) {
              ok(d.configurable, what); equal(d.get.name, `get ${key}`, what); equal(d.get.length, 0, what);
              if (d.set !== undefined) { equal(d.set.name, `set ${key}`, what); equal(d.set.length, 1, what); await refused(() => d.set.call({}, 1), what) }
              if (holder !== C) { await refused(() => d.get.call({}), what); await refused(() => d.get.call(holder), what) }
            } else if (typeof d.value === 'function') {
              equal(flags(d), '111', what); equal(d.value.name, key, what); equal(Object.hasOwn(d.value, 'prototype'), false, what);
              throws(() => new d.value(), 'TypeError');
              if (holder !== C) await refused(() => d.value.call({}), what);
            } else equal(flags(d), '010', what);
          }
        }
        "#
        )
        .leak(),
    );
}

#[test]
fn the_functions_and_objects_of_the_global_scope_are_there() {
    check(
        r#"
        for (const [name, length] of Object.entries({ atob: 1, btoa: 1, fetch: 1, clearInterval: 0, clearTimeout: 0, queueMicrotask: 1,
          reportError: 1, setInterval: 1, setTimeout: 1, structuredClone: 1 })) {
          const d = Object.getOwnPropertyDescriptor(globalThis, name);
          equal(typeof d.value, 'function', name); same([d.writable, d.enumerable, d.configurable], [true, true, true], name);
          equal(d.value.length, length, name); equal(d.value.name, name); equal(Object.hasOwn(d.value, 'prototype'), false, name);
          throws(() => new d.value(), 'TypeError'); if (length > 0 && !name.includes("to") && name !== "fetch") throws(() => d.value(), "TypeError");
        }
        equal(self, globalThis); equal(globalThis.globalThis, globalThis);
        ok(Object.keys(globalThis).includes('self') && Object.keys(globalThis).includes('crypto') && !Object.keys(globalThis).includes('Blob'));
        ok(/^jsserve\/\d/.test(navigator.userAgent)); equal(String(navigator), '[object Navigator]'); throws(() => new Navigator(), 'TypeError');
        equal(String(crypto), '[object Crypto]'); ok(crypto instanceof Crypto && crypto.subtle instanceof SubtleCrypto && crypto.subtle === crypto.subtle);
        ok(performance instanceof Performance); equal(String(performance), '[object Performance]');
        const now = performance.now(); ok(now >= 0 && performance.now() >= now);
        ok(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000);
        same(performance.toJSON(), { timeOrigin: performance.timeOrigin });
        equal(typeof WebAssembly, 'undefined', 'the one that is missing');
        "#,
    );
}

/// Attributes of the global scope (Web IDL, section 3.7.6): accessors of its own.
#[test]
fn attributes_of_the_global_scope_are_accessors() {
    checked(
        r#"
        const attributes = { crypto: false, navigator: false, performance: true, self: true, onerror: true, onunhandledrejection: true, onrejectionhandled: true };
        for (const [name, writable] of Object.entries(attributes)) {
          const d = Object.getOwnPropertyDescriptor(globalThis, name);
          same([d.enumerable, d.configurable, typeof d.get, typeof d.set], [true, true, 'function', writable ? 'function' : 'undefined'], name);
          same([d.get.name, d.get.length, d.set?.name, d.set?.length], writable ? [`get ${name}`, 0, `set ${name}`, 1] : [`get ${name}`, 0, undefined, undefined]);
          const own = globalThis[name];
          for (const receiver of [undefined, null, globalThis]) equal(d.get.call(receiver), own, name);
          for (const other of [{}, 1, Object.create(globalThis), own === globalThis ? [] : own])
            if (other !== null) { throws(() => d.get.call(other), 'TypeError'); if (writable) throws(() => d.set.call(other, 1), 'TypeError') }
          throws(() => new d.get(), 'TypeError');
        }
        for (const name of ['crypto', 'navigator']) { throws(() => { 'use strict'; globalThis[name] = 1 }, 'TypeError'); equal(typeof globalThis[name], 'object') }
        for (const name of ['performance', 'self']) {
          globalThis[name] = 1; const d = Object.getOwnPropertyDescriptor(globalThis, name);
          equal(d.value, 1); equal(flags(d), '111', name);
        }
        for (const name of ['console', 'globalThis']) equal(flags(Object.getOwnPropertyDescriptor(globalThis, name)), '101', name);
        for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) {
          equal(Object.getOwnPropertyDescriptor(globalThis, name).enumerable, true, name);
          globalThis[name]; equal(flags(Object.getOwnPropertyDescriptor(globalThis, name)), '111', name);
        }
        "#,
    );
}
