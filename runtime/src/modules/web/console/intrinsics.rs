//! Built-in methods that the console reads values with, kept from before the app could patch them.
//!
//! Owns: one reference each, per engine. Must not know: formatting.

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::engine::State;
use crate::js::held::{self, Held, Slot};
use crate::js::reflect::{self, Slot as Property};
use crate::js::{frames, value};

/// The methods.
#[derive(Default)]
pub(super) struct Intrinsics {
    map_entries: Slot,
    map_next: Slot,
    set_values: Slot,
    set_next: Slot,
    date_iso: Slot,
    regexp_source: Slot,
    regexp_flags: Slot,
    function_text: Slot,
    number: Slot,
    string: Slot,
    boolean: Slot,
    symbol: Slot,
    bigint: Slot,
    tag: Slot,
    error_stack: Slot,
    dom_exception: [Slot; 2],
    data_view: [Slot; 3],
}

const DOM_EXCEPTION: [&str; 2] = ["name", "message"];
const DATA_VIEW: [&str; 3] = ["byteLength", "byteOffset", "buffer"];

/// Keeps them; called before any script runs.
pub(super) fn capture(ctx: &Ctx<'_>) -> Result<()> {
    let kept = State::of(ctx).extension::<Intrinsics>();
    let keep = |slot: &Slot, class: &str, method: &str| -> Result<()> {
        let prototype = ctx.globals().get::<_, Object>(class)?.get::<_, Object>("prototype")?;
        let found = reflect::own(&prototype, &value::string(ctx, method)?)?;
        slot.set(match found.map(|property| property.slot) {
            Some(Property::Data(method)) => Some(method),
            Some(Property::Accessor(getter, _)) => Some(getter),
            None => None,
        });
        Ok(())
    };
    keep(&kept.map_entries, "Map", "entries")?;
    keep(&kept.set_values, "Set", "values")?;
    keep(&kept.date_iso, "Date", "toISOString")?;
    keep(&kept.regexp_source, "RegExp", "source")?;
    keep(&kept.regexp_flags, "RegExp", "flags")?;
    keep(&kept.function_text, "Function", "toString")?;
    keep(&kept.error_stack, "Error", "stack")?;
    keep(&kept.number, "Number", "valueOf")?;
    keep(&kept.string, "String", "valueOf")?;
    keep(&kept.boolean, "Boolean", "valueOf")?;
    keep(&kept.symbol, "Symbol", "valueOf")?;
    keep(&kept.bigint, "BigInt", "valueOf")?;
    for (slot, name) in kept.dom_exception.iter().zip(DOM_EXCEPTION) {
        keep(slot, "DOMException", name)?;
    }
    for (slot, name) in kept.data_view.iter().zip(DATA_VIEW) {
        keep(slot, "DataView", name)?;
    }
    kept.tag.set(Some(ctx.globals().get::<_, Object>("Symbol")?.get("toStringTag")?));
    for (next, class, method) in [(&kept.map_next, "Map", "entries"), (&kept.set_next, "Set", "values")] {
        let constructor: rquickjs::function::Constructor = ctx.globals().get(class)?;
        let empty: Object = constructor.construct(())?;
        let method = Held::new(empty.get(method)?);
        let iterator = held::call(ctx, &method, Some(&Held::new(empty.into_value())), &[])?;
        next.set(iterator.as_object().map(|it| it.get("next")).transpose()?);
    }
    Ok(())
}

/// Calls one of them; none where it throws.
fn call<'js>(slot: &Slot, this: &Value<'js>) -> Option<Value<'js>> {
    let ctx = this.ctx();
    let method = Held::new(slot.get(ctx)?);
    let result = held::call(ctx, &method, Some(&Held::new(this.clone())), &[]);
    result.map_err(|_| drop(ctx.catch())).ok()
}

fn text(value: Option<Value<'_>>) -> Option<String> {
    value::to_string(&value?).ok()
}

impl Intrinsics {
    /// The first `most` items of a Map (key and value) or a Set (value only), and how many there
    /// are.
    pub fn items<'js>(
        &self,
        object: &Value<'js>,
        map: bool,
        most: usize,
    ) -> (Vec<(Value<'js>, Option<Value<'js>>)>, usize) {
        let (begin, next) = match map {
            true => (&self.map_entries, &self.map_next),
            false => (&self.set_values, &self.set_next),
        };
        let mut items = Vec::new();
        let mut count = 0;
        let Some(iterator) = call(begin, object) else { return (items, count) };
        while let Some(step) = call(next, &iterator) {
            let Some(step) = step.as_object() else { break };
            if reflect::data(step, "done").and_then(|done| done.as_bool()) != Some(false) {
                break;
            }
            count += 1;
            let Some(item) = reflect::data(step, "value").filter(|_| items.len() < most) else { continue };
            if !map {
                items.push((item, None));
            } else if let Some(pair) = item.as_object()
                && let (Some(key), Some(value)) = (reflect::data(pair, "0"), reflect::data(pair, "1"))
            {
                items.push((key, Some(value)));
            }
        }
        (items, count)
    }

    /// An error's stack with the places of the sources: a property of its own, or what the engine
    /// recorded.
    pub fn stack(&self, error: &Object<'_>) -> Option<String> {
        let own = reflect::data(error, "stack");
        let raw = own.is_none() || frames::is_raw(error);
        let found = own.or_else(|| {
            let key = value::string(error.ctx(), "stack").ok()?;
            match reflect::own(error, &key) {
                Ok(None) => call(&self.error_stack, error.as_value()),
                _ => None,
            }
        });
        let text = frames::unmapped(&found?).ok()??;
        Some(if raw { frames::map_stack(error.ctx(), text) } else { text })
    }

    /// The `name` or the `message` of a DOMException.
    pub fn dom_exception<'js>(&self, error: &Value<'js>, name: &str) -> Option<Value<'js>> {
        let index = DOM_EXCEPTION.iter().position(|known| *known == name)?;
        call(&self.dom_exception[index], error)
    }

    /// The attributes of a DataView.
    pub fn data_view<'js>(&self, view: &Value<'js>) -> Vec<(&'static str, Value<'js>)> {
        let slots = DATA_VIEW.into_iter().zip(&self.data_view);
        slots.filter_map(|(name, slot)| Some((name, call(slot, view)?))).collect()
    }

    /// `Symbol.toStringTag`.
    pub fn tag<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.tag.get(ctx)
    }

    /// A Date as ISO 8601; none for an invalid one.
    pub fn date(&self, date: &Value<'_>) -> Option<String> {
        text(call(&self.date_iso, date))
    }

    /// A RegExp as its literal.
    pub fn regexp(&self, regexp: &Value<'_>) -> String {
        let source = text(call(&self.regexp_source, regexp)).unwrap_or_else(|| "(?:)".into());
        format!("/{source}/{}", text(call(&self.regexp_flags, regexp)).unwrap_or_default())
    }

    /// A function's source text.
    pub fn source(&self, function: &Value<'_>) -> String {
        text(call(&self.function_text, function)).unwrap_or_default()
    }

    /// The primitive inside a wrapper object of class `class`.
    pub fn unwrapped<'js>(&self, object: &Value<'js>, class: &str) -> Option<Value<'js>> {
        match class {
            "Number" => call(&self.number, object),
            "String" => call(&self.string, object),
            "Boolean" => call(&self.boolean, object),
            "Symbol" => call(&self.symbol, object),
            "BigInt" => call(&self.bigint, object),
            _ => None,
        }
    }
}
