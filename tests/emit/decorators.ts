/* What each line prints stands in decorators.txt. */
(Symbol as any).metadata ??= Symbol("Symbol.metadata");
const out: string[] = [];
const show = (a: any): string => typeof a === "function" ? "fn:" + a.name : typeof a === "symbol" ? String(a) : a === undefined ? "undefined" : JSON.stringify(a);
const log = (...a: any[]) => { out.push(a.map(show).join(" ")) };
const ctxs = (c: any) => `${c.kind}:${String(c.name)}:${c.static}:${c.private}:${Object.keys(c.access ?? {}).sort()}:${typeof c.addInitializer}:${typeof c.metadata}`;
function d(label: string, ret?: any, init = false): any { log("eval", label); return function (this: any, value: any, ctx: any) { log("apply", label, ctxs(ctx), value && typeof value === "object" ? Object.keys(value) : value); if (init) ctx.addInitializer(function (this: any) { log("init", label, typeof this === "function" ? this.name : Object.keys(this)) }); ctx.metadata[label] = ctx.kind; return typeof ret === "function" && ret.ret ? ret.ret(value, ctx) : ret }; }
const k = (name: any) => { log("key", String(name)); return name };
const F = (f: any) => Object.assign(() => {}, { ret: f });
@d("c1", undefined, true) @d("c2", undefined, true)
class All extends (log("heritage"), Object) {
  @d("m1", undefined, true) @d("m2") m() { return "m" }
  @d("sm", undefined, true) static sm() { return "sm" }
  @d("g", undefined, true) get g() { return 1 }
  @d("st", undefined, true) set g(v: any) { log("set", v) }
  @d("f1", F(() => (v: any) => { log("f1", v); return v + 1 }), true) @d("f2", F(() => (v: any) => { log("f2", v); return v * 2 }), true) f = (log("f init"), 5);
  plain = (log("plain init"), 1);
  @d("f3", undefined, true) [k("f3")] = log("f3 init");
  @d("sf", F(() => (v: any) => v + "!"), true) static sf = "sf";
  static { log("block", this.name, this.sf) }
  static plainStatic = (log("plain static"), this.sf);
  @d("a", F((v: any) => ({ get(this: any) { return v.get.call(this) * 10 }, set(this: any, x: any) { v.set.call(this, x + 1) }, init(x: any) { log("a init", x); return x + 100 } })), true) accessor a = 1;
  @d("sa", undefined, true) static accessor sa = "sa";
  @d("pm", F((v: any) => function (this: any) { return "pm+" + v.call(this) })) #pm() { return "pm" }
  @d("pf", F(() => (v: any) => v + 1), true) #pf = 41;
  @d("pa", F((v: any) => ({ get(this: any) { return v.get.call(this) + "?" } }))) accessor #pa = "pa";
  @d("pg") get #pg() { return "pg" }
  @d("ps") set #pg(v: any) { log("pset", v) }
  @d("spm") static #spm() { return "spm" }
  @d("spf", F(() => (v: any) => v + 1)) static #spf = 1;
  @d("cm") [k("cm")]() { return "cm" }
  @d("scm") static async *[k("scm")]() { yield 1 }
  @d("num") 12() { return 12 }
  @d("str") "a b"() { return 1 }
  @d("sym") [Symbol.iterator]() { return [][Symbol.iterator]() }
  read() { this.#pg = 3; return [this.#pm(), this.#pf, this.#pa, this.#pg, All.#spm(), All.#spf] }
  constructor() { super(); log("ctor", this.f) }
}
log("-- made"); const x: any = new All(); log(x.f, x.plain, x.a); x.a = 5; log(x.a, All.sa, All.sf, x.read(), Object.keys(x));
log(All.name, x.m.name, (All as any).sm.name, Object.getOwnPropertyDescriptor(All.prototype, "g")!.get!.name, Object.getOwnPropertyDescriptor(All.prototype, "a")!.get!.name, x["12"].name, x["a b"].name, x[Symbol.iterator].name);
log(Object.keys((All as any)[Symbol.metadata]), Object.getOwnPropertyNames(All.prototype), Object.getOwnPropertyNames(All).sort());
class Sub extends All { @d("subm") subm() {} }
log(Object.keys((Sub as any)[Symbol.metadata]), (Sub as any)[Symbol.metadata].m1, Object.getPrototypeOf((Sub as any)[Symbol.metadata]) === (All as any)[Symbol.metadata]);
// access
const accs: any = {};
const keep = (_: any, c: any) => { accs[String(c.name)] = c.access };
class Acc { @keep pub = 1; @keep #priv = 2; @keep m() { return 3 } @keep get g() { return 4 } @keep set s(v: any) { this.pub = v } @keep accessor ac = 5; @keep static #sp = 6; @keep #pm() { return 7 } @keep set #ps(v: any) { this.pub = v } }
const acc = new Acc();
log(accs.pub.get(acc), accs["#priv"].get(acc), accs.m.get(acc).call(acc), accs.g.get(acc), accs.ac.get(acc), accs["#sp"].get(Acc), accs["#pm"].get(acc).call(acc));
accs.pub.set(acc, 10); accs["#priv"].set(acc, 20); accs.s.set(acc, 30); accs.ac.set(acc, 50); accs["#ps"].set(acc, 60);
log(acc.pub, accs["#priv"].get(acc), acc.ac, accs["#priv"].has(acc), accs["#priv"].has({}), accs.pub.has({}), accs.pub.has(acc));
// replaced class
const replace = (C: any, c: any) => { log("replace", c.name); return class Replaced extends C { extra = 1; static r = 1 } };
const seen: any[] = [];
@replace class Rep { static self = Rep; static st = this; static { seen.push(this === Rep) } make() { return new Rep() } static name2 = Rep.name }
log((Rep as any).name, Rep.self === Rep, Rep.st === Rep, seen, (new Rep() as any).extra, (new Rep().make() as any).extra, Rep.name2, Object.keys(Rep));
// expressions
const E1 = @d("e1") class {}; log(E1.name);
const E2 = @d("e2") class Named { static who() { return Named } }; log(E2.name, E2.who() === E2);
const E3 = class E3 { @d("e3") m() { return 1 } accessor q = 2; static accessor w = 3 }; log(E3.name, new E3().m(), new E3().q, E3.w);
const E4 = { Foo: class { @d("e4") x = () => 1 } }; log(E4.Foo.name, new E4.Foo().x.name);
function inLoop() { const all: any[] = []; for (const i of [1, 2, 3]) { @d("loop" + i) class L { @((_: any, c: any) => (v: any) => v + i) n = i; static i = i } all.push(L) } return all.map(C => [new C().n, C.i]) }
log(inLoop());
// receivers, this
class Box { tag = "box"; dec(this: any, v: any, c: any) { log("receiver", this?.tag) } }
const box: any = new Box(); box.inner = { tag: "inner", dec: box.dec };
class R { @box.dec a() {} @box.inner.dec b() {} @(box.dec) c() {} }
// errors
const fails = (f: any) => { try { f(); log("no error") } catch (e: any) { log(e.name) } };
fails(() => { class X { @(() => 1 as any) m() {} } });
fails(() => { class X { @(() => null as any) accessor m = 1 } });
fails(() => { class X { @(undefined as any) m() {} } });
fails(() => { let add: any; class X { @((_: any, c: any) => { add = c.addInitializer }) m() {} } add(() => {}) });
fails(() => { class X { @((_: any, c: any) => { c.addInitializer(1) }) m() {} } });
// order of initializers without fields, with derived class
class Base { constructor() { log("base ctor") } }
class Bound extends Base { @((v: any, c: any) => { c.addInitializer(function (this: any) { log("bind"); this[c.name] = v.bind(this) }) }) who() { return this instanceof Bound } constructor() { log("before"); super(); log("after") } }
const { who } = new Bound(); log(who());
// generators, super in decorated methods
class Par { hi() { return "par" } static shi() { return "spar" } }
class Chi extends Par { @d("sup") hi() { return "chi+" + super.hi() } @d("psup") #p() { return "p" } callP() { return this.#p() } @d("ssup") static shi() { return "s+" + super.shi() } @d("fsup") f = super.hi() }
log(new Chi().hi(), new Chi().callP(), Chi.shi(), new Chi().f);
// accessor forms
const key = "dyn";
class AF { accessor plain; accessor init = 1; static accessor st = 2; accessor #p = 3; static accessor #sp = 4; accessor [key] = 5; accessor "quoted" = 6; accessor fn = () => 1; static accessor sfn = function () {}; get() { this.#p++; AF.#sp++; return [this.#p, AF.#sp] } }
const af: any = new AF(); log(af.plain, af.init, AF.st, af.get(), af.dyn, af.quoted, af.fn.name, AF.sfn.name, Object.keys(af), "dyn" in AF.prototype);
@d("exp") export class Exp { static me = Exp } log(Exp.me === Exp);
for (const l of out) console.log(l);
