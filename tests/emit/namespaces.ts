/* What each line prints stands in namespaces.txt. */
const out: string[] = [];
const log = (...a: any[]) => out.push(a.map(x => typeof x === "function" ? "fn:" + x.name : JSON.stringify(x)).join(" "));
namespace N { export let n = 0; export const inc = () => ++n; export function f() { return n } export class C { v = n; static s = n } }
N.inc(); N.inc(); log(N.n, N.f(), new N.C().v, N.C.s);
N.n = 10; log(N.f(), N.inc());
namespace M { export class K { k = 1 } export function g() { return 7 } export enum E { a = 1, s = "x" } export let v = 5; export namespace D { export const d = 1 } }
namespace M { export enum E { b = 2, c } export namespace D { export const e = d + 1 } export const all = [new K().k, g(), E.a, E.b, E.c, E.s, v, D.d]; v++; }
log(M.all, M.v, M.E, M.D);
namespace S { export const a = 1, b = 2; export let undef: number; export const { x, y: [z = a, ...rest], ...more } = { x: a, y: [undefined, 3, 4] as any[], p: 1, q: 2 }; export const o = { a, b, x }; ({ a: (undef as any) } = { a: 3 }); let l; ({ l } = { l: 5 } as any); export const lll = l; }
log(S);
namespace P { export let P = 1; export const get = () => P; }
log(P.P, P.get()); P.P = 2; log(P.get());
namespace Q { export let q = 1; export function set(Q: number) { q = Q; } }
Q.set(4); log(Q.q);
namespace A.B.C { export const deep = "deep"; export let count = 0; export function up() { count += 1; return count } }
namespace A.B { export const other = C.deep + "!"; import X = C; export import Y = A.B.C; export const viaX = X.deep; }
namespace A { export const q = B.C.up() + B.C.up(); }
log(A.q, A.B.C.count, A.B.other, A.B.Y.deep, A.B.viaX, Object.keys(A.B));
function merged() { return merged.prop } namespace merged { export const prop = "p"; export let n = 1; }
log(merged(), merged.n);
class Klass { static base = 1; m() { return Klass.extra } } namespace Klass { export const extra = Klass.base + 1; export let later = 0 }
log(Klass.extra, new Klass().m());
enum En { a, b } namespace En { export function label(x: En) { return En[x] } export const first = En.a }
log(En.label(1), En.first);
namespace Sh { export let s = 1; export const inner = (s: number) => s * 2; export const outer = () => { let s = 9; return s }; for (let i = 0; i < 2; i++) s += i; { let s = 100; s++; } export const typ = typeof s; delete (Sh as any).zzz; export const arr = [...[s], s]; export const t = `${s}`; export const fn = function () { return s }; }
log(Sh.s, Sh.inner(2), Sh.outer(), Sh.typ, Sh.arr, Sh.t, Sh.fn());
namespace Type { export interface I { a: 1 } export type T = I } 
namespace Loop { export let i = 0; for (i of [1, 2, 3]); export const last = i; let k: any; for (k in { a: 1 }); export const kk = k; }
log(Loop.i, Loop.last, Loop.kk);
namespace Th { export const self = function (this: any) { return this === Th }; export const r = self(); export function fnn() { return "f" } export const r2 = [fnn].map(f => f()); }
log(Th.r, Th.r2);
namespace Lo { namespace Hidden { export const h = 1; export let w = 2 } Hidden.w++; export const seen = Hidden.h + Hidden.w; enum Loc { a = 3 } export const la = Loc.a; export enum Pub { a = Loc.a, b, c = a * 2, d = "str", e = `t`, "x-y" = 20, z } export const pz = Pub.z; }
log(Lo.seen, Lo.la, Lo.Pub, Lo.pz, (Lo as any).Hidden);
namespace Str { export enum S { one = "1" } } namespace Str { export enum S { two = "2", len = "abc".length } }
log(Str.S);
namespace Abs { export abstract class B { abstract m(): void; x = 1 } export class D extends B { m() {} } export async function as() { return 1 } export function* gen() { yield 1 } }
log(new Abs.D().x, [...Abs.gen()]);
export namespace Ex { export const e = 1; export let f = 2; export const bump = () => { f += 1 } } Ex.bump(); log(Ex.e, Ex.f);
namespace Dec { export declare const ambient: number; declare const other: string; export type X = 1; export const ok = typeof (Dec as any).ambient; }
log(Dec.ok);
const before = 1
namespace Asi { export const { a } = { a: before }
  export let b = 1
  export const [c] = [2]
  export const d = () => 1
  ;[1].forEach(() => { b++ }) }
log(Asi);
namespace Over { export function o(a: string): string; export function o(a: number): string; export function o(a: any) { return String(a) } export let [x, y] = [1, 2]; [x, y] = [y, x]; export let obj = { x, y, m() { return x } }; x = 50; }
log(Over.o(1), Over.x, Over.y, Over.obj, Over.obj.m());
for (const l of out) console.log(l);
