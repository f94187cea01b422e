//! Values as text for people, in the manner of Node's `util.inspect`.
//!
//! Owns: the walk over a value: depth, cycles, what each class shows (its contents in `contents`).
//! Must not know: where the text goes. It runs no script: no getter, no trap, no `toString`.

use std::rc::Rc;

use rquickjs::{Atom, Ctx, Object, Value};

use super::attributes;
use super::intrinsics::Intrinsics;
use super::layout::{self, Pieces};
use crate::js::engine::State;
use crate::js::reflect::{self, Property, Slot};
use crate::js::value;

/// Levels of nested objects shown.
pub const DEPTH: usize = 2;
/// However deep the caller wants it: the walk uses the thread's stack.
const DEPTH_MAX: usize = 40;
/// Items of an array, a Map or a Set that are shown.
pub(super) const ITEMS_MAX: usize = 100;
/// Characters of a nested string that are shown.
const STRING_CHARS_MAX: usize = 10_000;
/// Objects shown in one call.
const OBJECTS_MAX: usize = 50_000;

/// `value` as text; strings are quoted.
pub fn inspect(value: &Value<'_>, depth: usize, hidden: bool) -> String {
    Inspector::new(value.ctx(), depth, hidden).value(value, 0)
}

/// Levels shown of what was thrown: its causes, and theirs.
const THROWN_DEPTH: usize = 5;
/// Objects shown of what was thrown.
const THROWN_OBJECTS_MAX: usize = 1000;

/// `value`, which was thrown, as text.
pub fn describe(value: &Value<'_>) -> String {
    let mut inspector = Inspector::new(value.ctx(), THROWN_DEPTH, false);
    inspector.shown = OBJECTS_MAX - THROWN_OBJECTS_MAX;
    inspector.value(value, 0)
}

/// One walk.
pub(super) struct Inspector<'js> {
    pub ctx: Ctx<'js>,
    pub intrinsics: Rc<Intrinsics>,
    depth: usize,
    hidden: bool,
    pub indent: usize,
    /// Objects that the walk is inside of.
    seen: Vec<usize>,
    /// Those of them that something inside refers back to; place is number.
    circular: Vec<usize>,
    /// Level of the object last begun.
    deepest: usize,
    shown: usize,
}

/// What an object shows besides its properties.
pub(super) struct Shown {
    pub base: String,
    pub open: String,
    pub close: &'static str,
    pub elements: bool,
    /// The text that stands for the whole object where it has no entries.
    pub empty: Option<String>,
}

impl<'js> Inspector<'js> {
    fn new(ctx: &Ctx<'js>, depth: usize, hidden: bool) -> Self {
        Inspector {
            ctx: ctx.clone(),
            intrinsics: State::of(ctx).extension::<Intrinsics>(),
            depth: depth.min(DEPTH_MAX),
            hidden,
            indent: 0,
            seen: Vec::new(),
            circular: Vec::new(),
            deepest: 0,
            shown: 0,
        }
    }

    /// Any value, `level` objects deep.
    pub fn value(&mut self, value: &Value<'js>, level: usize) -> String {
        if value.is_string() {
            return self.string(&value::to_string(value).unwrap_or_default());
        }
        if value.is_object() {
            return self.object(value, level);
        }
        primitive(value)
    }

    fn string(&self, text: &str) -> String {
        let chars = text.chars().count();
        if chars > STRING_CHARS_MAX {
            let cut: String = text.chars().take(STRING_CHARS_MAX).collect();
            let more = chars - STRING_CHARS_MAX;
            return format!(
                "{}... {more} more character{}",
                layout::quote(&cut),
                if more == 1 { "" } else { "s" }
            );
        }
        if chars > 16 && chars + self.indent + 4 > 80 && text.trim_end_matches('\n').contains('\n') {
            let line = format!(" +\n{}", " ".repeat(self.indent + 2));
            return text.split_inclusive('\n').map(layout::quote).collect::<Vec<_>>().join(&line);
        }
        layout::quote(text)
    }

    fn object(&mut self, value: &Value<'js>, level: usize) -> String {
        let mut value = value.clone();
        for _ in 0..DEPTH_MAX {
            match reflect::proxy_target(&value) {
                Some(target) if target.is_null() => return "<Revoked Proxy>".into(),
                Some(target) => value = target,
                None => break,
            }
        }
        let Some(object) = value.as_object().cloned() else { return primitive(&value) };
        let identity = reflect::identity(&value);
        if self.seen.contains(&identity) {
            let number = self.circular.iter().position(|known| *known == identity).unwrap_or_else(|| {
                self.circular.push(identity);
                self.circular.len() - 1
            });
            return format!("[Circular *{}]", number + 1);
        }
        self.shown += 1;
        if self.shown > OBJECTS_MAX || self.seen.len() > DEPTH_MAX {
            return "...".into();
        }
        let class = reflect::class_name(&value);
        let constructor = constructor_name(&object);
        let keys = self.keys(&object, &class);
        let shown = self.shown_as(&object, &class, constructor.as_deref(), keys.is_empty());
        if let Some(empty) = shown.empty {
            return empty;
        }
        if level > self.depth && !(keys.is_empty() && self.is_bare(&object, &class)) {
            return match constructor {
                _ if class == "Array" => "[Array]".into(),
                Some(name) => format!("[{name}]"),
                None => format!("[{class}: null prototype]"),
            };
        }
        self.seen.push(identity);
        self.deepest = level;
        let (mut entries, extra) = self.contents(&object, &class, level + 1);
        for property in keys {
            if value.is_error() && !self.hidden && is_said(&property, &shown.base) {
                continue;
            }
            // The one accessor that every event has of its own.
            if matches!(property.slot, Slot::Accessor(..)) && attributes::is_trusted(&object, &property.key) {
                continue;
            }
            let entry = self.property(&property, level + 1);
            entries.push(entry);
        }
        self.seen.pop();
        let pieces = Pieces {
            base: &shown.base,
            open: &shown.open,
            close: shown.close,
            elements: shown.elements,
            levels: self.deepest - level,
            indent: self.indent,
        };
        let text = match entries.is_empty() {
            true if shown.base.is_empty() => format!("{}{}", shown.open, shown.close),
            true => shown.base.clone(),
            false => layout::join(entries, extra, &pieces),
        };
        match self.circular.iter().position(|known| *known == identity) {
            Some(number) => format!("<ref *{}> {text}", number + 1),
            None => text,
        }
    }

    /// The object's `@@toStringTag`, unless it is listed among its properties.
    pub fn tag(&self, object: &Object<'js>) -> Option<String> {
        let key = self.intrinsics.tag(&self.ctx)?;
        let own = reflect::own(object, &key).ok().flatten();
        if own.is_some_and(|property| property.enumerable) {
            return None;
        }
        let tag = reflect::data_at(object, &key).filter(Value::is_string)?;
        value::to_string(&tag).ok().filter(|tag| !tag.is_empty())
    }

    /// A value nested in the current object, two columns further in.
    pub fn nested(&mut self, value: &Value<'js>, level: usize) -> String {
        self.indent += 2;
        let text = self.value(value, level);
        self.indent -= 2;
        text
    }

    /// The properties shown by name: enumerable ones, without elements.
    fn keys(&self, object: &Object<'js>, class: &str) -> Vec<Property<'js>> {
        let elements = class == "Array" || class.ends_with("Arguments") || class == "String";
        let typed = reflect::typed_array(object.as_value()).is_some();
        let length = reflect::data(object, "length").and_then(|length| length.as_number()).unwrap_or(0.0);
        if typed || elements && length > 100_000.0 {
            return Vec::new();
        }
        let all = reflect::own_keys(object).unwrap_or_else(|_| {
            drop(self.ctx.catch());
            Vec::new()
        });
        let named = all.into_iter().filter(|key| {
            let index = elements && key.is_string() && value::with_str(key, is_index).unwrap_or(false);
            !index
        });
        let found = named.filter_map(|key| reflect::own(object, &key).ok().flatten());
        found.filter(|property| property.enumerable || self.hidden && !property.key.is_symbol()).collect()
    }

    fn property(&mut self, property: &Property<'js>, level: usize) -> String {
        let text = match &property.slot {
            Slot::Data(value) => self.nested(value, level),
            Slot::Accessor(get, set) => match (get.is_undefined(), set.is_undefined()) {
                (false, true) => "[Getter]".into(),
                (true, _) => "[Setter]".into(),
                _ => "[Getter/Setter]".into(),
            },
        };
        let key = match property.key.is_symbol() {
            true => format!("[{}]", primitive(&property.key)),
            false => {
                let key = layout::key(&value::to_string(&property.key).unwrap_or_default());
                if property.enumerable { key } else { format!("[{key}]") }
            }
        };
        format!("{key}: {text}")
    }
}

/// Whether `base`, an error's header and stack, says this property already.
fn is_said(property: &Property<'_>, base: &str) -> bool {
    let Slot::Data(text) = &property.slot else { return false };
    let name = |key: &str| matches!(key, "name" | "message" | "stack");
    property.key.is_string()
        && text.is_string()
        && value::with_str(&property.key, name).unwrap_or(false)
        && value::with_str(text, |text| text.lines().all(|line| base.contains(line))).unwrap_or(false)
}

fn is_index(key: &str) -> bool {
    key.parse::<u32>().is_ok() && (key == "0" || !key.starts_with('0')) && !key.starts_with('+')
}

/// Anything but strings and objects.
pub(super) fn primitive(value: &Value<'_>) -> String {
    if let Some(symbol) = value.as_symbol() {
        let description = Atom::from_value(symbol.ctx().clone(), value).and_then(|atom| atom.to_string());
        return format!("Symbol({})", description.unwrap_or_default());
    }
    if value.as_number().is_some_and(|n| n == 0.0 && n.is_sign_negative()) {
        return "-0".into();
    }
    let text = value::to_string(value).unwrap_or_else(|_| {
        drop(value.ctx().catch());
        "<unknown>".into()
    });
    if value.is_big_int() { text + "n" } else { text }
}

/// The name of the first constructor on the prototype chain that the object is an instance of;
/// none for an object whose chain has no constructor.
pub(super) fn constructor_name(object: &Object<'_>) -> Option<String> {
    let mut at = Some(object.clone());
    for _ in 0..100 {
        let here = at?;
        if reflect::proxy_target(here.as_value()).is_some() {
            return None;
        }
        let key = value::string(object.ctx(), "constructor").ok()?;
        if let Ok(Some(Property { slot: Slot::Data(constructor), .. })) = reflect::own(&here, &key)
            && let Some(function) = constructor.as_object().filter(|f| f.as_value().is_function())
            && let Some(name) = own_name(function)
            && is_instance(object, function)
        {
            return Some(name);
        }
        at = here.get_prototype();
    }
    None
}

fn own_name(function: &Object<'_>) -> Option<String> {
    let name = reflect::data(function, "name").filter(Value::is_string)?;
    value::to_string(&name).ok().filter(|name| !name.is_empty())
}

/// The name of a function.
pub(super) fn function_name(function: &Object<'_>) -> Option<String> {
    own_name(function)
}

fn is_instance(object: &Object<'_>, function: &Object<'_>) -> bool {
    let Some(prototype) = reflect::data(function, "prototype") else { return false };
    let mut at = object.get_prototype();
    for _ in 0..100 {
        let Some(here) = at else { return false };
        if reflect::identity(here.as_value()) == reflect::identity(&prototype) {
            return true;
        }
        if reflect::proxy_target(here.as_value()).is_some() {
            return false;
        }
        at = here.get_prototype();
    }
    false
}
