/*
The state of one class with decorators (TC39 proposal-decorators, 2023-11).

Owns: their order, contexts, initializers. Must not know: how the class was written. Elements are named by an
index each, in the order in which they are evaluated. Lists of decorators are pairs: what `this` is for the
call, and the decorator.
*/
function $decorators(classDecorators, className) {
    const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
    // How an element is held until `define`: under its own key, or under a symbol for a private or late one.
    const PUBLIC = 0;
    const elements = [], slots = [], starts = [], staticStarts = [], ends = [];
    if (!Symbol.metadata) defineProperty(Symbol, "metadata", { value: Symbol("Symbol.metadata") });
    let made;

    const run = (all, self) => {
        for (const one of all) one.call(self);
        return self;
    };
    const callable = (value, what) => {
        if (typeof value !== "function") throw new TypeError(`${what} is not a function`);
        return value;
    };

    const decorate = (decorators, context, extra, value, use) => {
        for (let at = decorators.length - 2; at >= 0; at -= 2) {
            let done = false;
            const what = `a decorator of ${context.kind} ${String(context.name)}`;
            const own = {
                ...context,
                addInitializer(one) {
                    if (done) throw new TypeError("Cannot add initializers after decoration has completed");
                    extra.push(callable(one, "an initializer"));
                },
            };
            if (context.access) own.access = { ...context.access };
            const result = callable(decorators[at + 1], what).call(decorators[at], value(), own);
            done = true;
            if (result !== undefined) use(result, `what ${what} returns`);
        }
    };

    const accessTo = (element, access) => {
        const { kind, name } = element;
        const [has, get, set] = access ?? [(o) => name in o, (o) => o[name], (o, v) => void (o[name] = v)];
        return {
            has,
            ...(kind === "setter" ? {} : { get }),
            ...(kind === "method" || kind === "getter" ? {} : { set }),
        };
    };

    const rename = (found, name) => {
        for (const [part, prefix] of [["value", ""], ["get", "get "], ["set", "set "]])
            if (found[part]) defineProperty(found[part], "name", { value: prefix + name, configurable: true });
    };

    const decorateElement = (element, target, metadata, access) => {
        const { kind, name, decorators, held } = element;
        const context = {
            kind,
            name,
            metadata,
            static: element.static,
            private: Boolean(held) && !element.late,
            access: accessTo(element, access),
        };
        if (kind === "field") {
            const use = (result, what) => element.initializers.unshift(callable(result, what));
            return decorate(decorators, context, element.extra, () => undefined, use);
        }
        const on = element.static ? target : target.prototype;
        const found = held ? element.found : getOwnPropertyDescriptor(on, name);
        if (held) rename(found, name);
        if (kind === "accessor") {
            decorate(decorators, context, element.extra, () => ({ get: found.get, set: found.set }), (result, what) => {
                if (typeof result !== "object" || result === null) throw new TypeError(`${what} is not an object`);
                const { get, set, init } = result;
                if (get !== undefined) found.get = callable(get, `'get' of ${what}`);
                if (set !== undefined) found.set = callable(set, `'set' of ${what}`);
                if (init !== undefined) element.initializers.unshift(callable(init, `'init' of ${what}`));
            });
        } else {
            const part = { method: "value", getter: "get", setter: "set" }[kind];
            const use = (result, what) => (found[part] = callable(result, what));
            decorate(decorators, context, element.static ? staticStarts : starts, () => found[part], use);
        }
        if (!held) defineProperty(on, name, found);
    };

    return {
        // Notes an element; the key that it is to be defined under.
        add(kind, isStatic, decorators, name, hold = PUBLIC) {
            if (hold !== "private") name = ownKeys({ [name]: 0 })[0];
            const held = hold === PUBLIC ? undefined : Symbol(String(name));
            const late = hold === "late";
            elements.push({ kind, static: isStatic, decorators, name, held, late, initializers: [], extra: [] });
            return held ?? name;
        },
        key: (index) => elements[index].held ?? elements[index].name,
        label: (index) => elements[index].name,
        found: (index) => elements[index].found,

        // Applies all decorators to the class, whose elements are there and whose static fields are not yet.
        define(target, access, bind) {
            for (const element of elements) {
                const { held, kind } = element;
                if (!held) continue;
                const on = element.static || kind === "field" ? target : target.prototype;
                element.found = getOwnPropertyDescriptor(on, held);
                delete on[held];
            }
            const metadata = Object.create(getPrototypeOf(target)?.[Symbol.metadata] ?? null);
            for (const [isField, isStatic] of [[false, true], [false, false], [true, true], [true, false]])
                elements.forEach((element, index) => {
                    if (element.decorators.length === 0) return;
                    if ((element.kind === "field") === isField && element.static === isStatic)
                        decorateElement(element, target, metadata, access[index]);
                });
            made = target;
            if (classDecorators) {
                const context = { kind: "class", name: className, metadata };
                decorate(classDecorators, context, ends, () => made, (result, what) => (made = callable(result, what)));
            }
            bind?.(made);
            defineProperty(made, Symbol.metadata, {
                value: metadata,
                writable: true,
                enumerable: true,
                configurable: true,
            });
            run(staticStarts, made);
        },

        // What an instance's methods and accessors asked for; the instance.
        start: (self) => run(starts, self),
        init(index, self, value) {
            for (const one of elements[index].initializers) value = one.call(self, value);
            return value;
        },
        // What a field asked for that is there now; its object.
        extra: (index, self) => run(elements[index].extra, self),
        // A static element of a class that decorators may have replaced.
        late(index) {
            const { kind, name, found } = elements[index];
            const value = found.value.call(made);
            if (kind !== "field") return;
            defineProperty(made, name, {
                value: this.init(index, made, value),
                writable: true,
                enumerable: true,
                configurable: true,
            });
            this.extra(index, made);
        },
        take: (index) => slots[index],
        put(index, value) {
            slots[index] = value;
        },
        end: () => run(ends, made),
    };
}
