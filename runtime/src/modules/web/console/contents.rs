//! What each class of object shows: its braces, and the entries that are not properties.
//!
//! Owns: arrays, collections, errors, functions, buffers, promises. Must not know: lines and columns, any
//! class of this program: what those show they say themselves.

use rquickjs::{Object, Value};

use super::attributes;
use super::inspect::{ITEMS_MAX, Inspector, Shown, function_name, primitive};
use crate::js::display::{self, Display};
use crate::js::promise::{self, State};
use crate::js::{buffer_source, reflect, value};

impl<'js> Inspector<'js> {
    /// Base and braces of an object of `class`; `plain` says that it has no named properties.
    pub(super) fn shown_as(
        &self,
        object: &Object<'js>,
        class: &str,
        constructor: Option<&str>,
        plain: bool,
    ) -> Shown {
        let value = object.as_value();
        let prefix = |size: Option<usize>| {
            let size = size.map(|n| format!("({n})")).unwrap_or_default();
            let tag = self.tag(object).filter(|tag| constructor != Some(tag));
            let tag = tag.map(|tag| format!("[{tag}] ")).unwrap_or_default();
            match constructor {
                Some(name) => format!("{name}{size} {tag}"),
                None => format!("[{class}{size}: null prototype] {tag}"),
            }
        };
        let braces =
            |open: String| Shown { base: String::new(), open, close: "}", elements: false, empty: None };
        let based = |base: String| {
            let empty = plain.then(|| base.clone());
            Shown { base, open: "{".into(), close: "}", elements: false, empty }
        };
        let list =
            |open: String| Shown { base: String::new(), open, close: "]", elements: true, empty: None };
        if value.is_function() {
            return based(self.function(object, class, constructor));
        }
        if value.is_error() || class == "DOMException" {
            let extra = ["cause", "errors"].iter().any(|name| self.hidden_own(object, name).is_some());
            let mut shown = based(self.error(object, class, constructor));
            shown.empty = shown.empty.filter(|_| !extra);
            return shown;
        }
        if let Some(name) = reflect::typed_array(value) {
            let length = typed_length(value, name);
            return list(format!("{}[", prefix(Some(length))));
        }
        match class {
            "Array" => {
                let length = length(object);
                let plain = constructor == Some("Array") && self.tag(object).is_none();
                list(if plain { "[".into() } else { format!("{}[", prefix(Some(length))) })
            }
            "Arguments" => list("[Arguments] [".into()),
            "Map" | "Set" => {
                let (_, size) = self.intrinsics.items(value, class == "Map", 0);
                braces(format!("{}{{", prefix(Some(size))))
            }
            "Date" => based(self.intrinsics.date(value).unwrap_or_else(|| "Invalid Date".into())),
            "RegExp" => based(self.intrinsics.regexp(value)),
            "Number" | "String" | "Boolean" | "Symbol" | "BigInt" => {
                let inner = self.intrinsics.unwrapped(value, class);
                let text = match inner {
                    Some(text) if text.is_string() => {
                        super::layout::quote(&value::to_string(&text).unwrap_or_default())
                    }
                    Some(inner) => primitive(&inner),
                    None => "?".into(),
                };
                based(format!("[{class}: {text}]"))
            }
            "Module" => braces("[Module: null prototype] {".into()),
            "Object" if constructor == Some("Object") && self.tag(object).is_none() => braces("{".into()),
            _ if display::of(value).is_some_and(is_list) => braces(format!("{class} {{")),
            _ => braces(format!("{}{{", prefix(None))),
        }
    }

    /// Whether an object without named properties shows nothing at all.
    pub(super) fn is_bare(&self, object: &Object<'js>, class: &str) -> bool {
        match class {
            "Object" => true,
            "Array" => length(object) == 0,
            "Map" | "Set" => self.intrinsics.items(object.as_value(), class == "Map", 0).1 == 0,
            _ => false,
        }
    }

    fn function(&self, object: &Object<'js>, class: &str, constructor: Option<&str>) -> String {
        let name = function_name(object);
        let source = self.intrinsics.source(object.as_value());
        if source.starts_with("class") && !source.ends_with("[native code]\n}") {
            let name = name.unwrap_or_else(|| "(anonymous)".into());
            let parent = object.get_prototype().and_then(|parent| function_name(&parent));
            let parent = parent.map(|parent| format!(" extends {parent}")).unwrap_or_default();
            return format!("[class {name}{parent}]");
        }
        let kind = match class {
            "AsyncFunction" | "GeneratorFunction" | "AsyncGeneratorFunction" => class,
            _ => "Function",
        };
        let base = match name {
            Some(name) => format!("[{kind}: {name}]"),
            None => format!("[{kind} (anonymous)]"),
        };
        if constructor.is_none() { base.replacen(']', "] [null prototype]", 1) } else { base }
    }

    /// An error's header and stack. The stack is the engine's own property, the header is read
    /// without running a getter.
    fn error(&self, object: &Object<'js>, class: &str, constructor: Option<&str>) -> String {
        crate::js::words::improve(object);
        let text = |name: &str| {
            let found = match class {
                "DOMException" => self.intrinsics.dom_exception(object.as_value(), name),
                _ => reflect::data(object, name),
            };
            found.filter(Value::is_string).and_then(|text| value::to_string(&text).ok())
        };
        let mut name = text("name").unwrap_or_else(|| "Error".into());
        if class == "DOMException" {
            name = format!("DOMException [{name}]");
        } else if name == "Error"
            && let Some(better) = constructor.filter(|better| *better != "Object")
        {
            name = better.to_owned();
        }
        let message = text("message").filter(|message| !message.is_empty());
        let header = message.map_or(name.clone(), |message| format!("{name}: {message}"));
        let stack = self.intrinsics.stack(object).unwrap_or_default();
        let text = match stack.trim_end() {
            "" => format!("[{header}]"),
            stack if stack.starts_with(&header) => stack.to_owned(),
            stack => format!("{header}\n{stack}"),
        };
        text.replace('\n', &format!("\n{}", " ".repeat(self.indent)))
    }

    fn hidden_own(&self, object: &Object<'js>, name: &str) -> Option<Value<'js>> {
        let key = value::string(&self.ctx, name).ok()?;
        let found = reflect::own(object, &key).ok().flatten().filter(|property| !property.enumerable)?;
        match found.slot {
            reflect::Slot::Data(value) => Some(value),
            reflect::Slot::Accessor(..) => None,
        }
    }

    /// The entries that are no properties, and whether the last of them counts what is left out.
    pub(super) fn contents(
        &mut self,
        object: &Object<'js>,
        class: &str,
        level: usize,
    ) -> (Vec<String>, bool) {
        let value = object.as_value();
        if value.is_error() {
            let hidden = ["cause", "errors"].map(|name| (name, self.hidden_own(object, name)));
            let shown = hidden.into_iter().filter_map(|(name, found)| Some((name, found?)));
            let entries = shown.map(|(name, found)| format!("[{name}]: {}", self.nested(&found, level)));
            return (entries.collect::<Vec<_>>(), false);
        }
        if let Some(state) = promise::state(value) {
            return (vec![self.promise(state, level)], false);
        }
        if let Some(name) = reflect::typed_array(value) {
            let items = typed_items(object, typed_length(value, name));
            return (items.0, items.1);
        }
        if let Some(display) = display::of(value) {
            return self.displayed(value, display, level);
        }
        match class {
            "Array" | "Arguments" => self.elements(object, level),
            "Map" | "Set" => self.items(value, class == "Map", level),
            "ArrayBuffer" | "SharedArrayBuffer" => (buffer(value), false),
            "DataView" => (self.attributes(self.intrinsics.data_view(value), level), false),
            "WeakMap" | "WeakSet" => (vec!["<items unknown>".into()], false),
            "Object" => (self.attributes(attributes::of(object), level), false),
            _ => (Vec::new(), false),
        }
    }

    fn promise(&mut self, state: State<'js>, level: usize) -> String {
        match state {
            State::Pending => "<pending>".into(),
            State::Fulfilled(value) => self.nested(&value, level),
            State::Rejected(reason) => format!("<rejected> {}", self.nested(&reason, level)),
        }
    }

    fn elements(&mut self, object: &Object<'js>, level: usize) -> (Vec<String>, bool) {
        let length = length(object);
        let mut entries = Vec::new();
        let mut holes = 0;
        let mut index = 0;
        while index < length && entries.len() < ITEMS_MAX && holes < 100_000 {
            let key = Value::new_number(self.ctx.clone(), index as f64);
            match reflect::own(object, &key).ok().flatten().map(|found| found.slot) {
                None => holes += 1,
                found => {
                    flush(&mut entries, &mut holes);
                    entries.push(match found {
                        Some(reflect::Slot::Data(item)) => self.nested(&item, level),
                        _ => "[Getter]".into(),
                    });
                }
            }
            index += 1;
        }
        flush(&mut entries, &mut holes);
        let more = more(&mut entries, length - index);
        (entries, more)
    }

    fn items(&mut self, value: &Value<'js>, map: bool, level: usize) -> (Vec<String>, bool) {
        let (items, count) = self.intrinsics.clone().items(value, map, ITEMS_MAX);
        let rest = count - items.len();
        let mut entries = Vec::new();
        for (key, item) in items {
            let key = self.nested(&key, level);
            entries.push(match item {
                Some(item) => format!("{key} => {}", self.nested(&item, level)),
                None => key,
            });
        }
        let more = more(&mut entries, rest);
        (entries, more)
    }

    fn attributes<N: std::fmt::Display>(&mut self, found: Vec<(N, Value<'js>)>, level: usize) -> Vec<String> {
        let entry = |(name, value): (N, Value<'js>)| format!("{name}: {}", self.nested(&value, level));
        found.into_iter().map(entry).collect()
    }

    /// What the class of `object` says that it shows.
    fn displayed(&mut self, object: &Value<'js>, display: &Display, level: usize) -> (Vec<String>, bool) {
        match display {
            Display::Attributes(names, read) => {
                let all = names.iter().filter_map(|name| Some((*name, read(object, name)?)));
                (self.attributes(attributes::fine(&self.ctx, all), level), false)
            }
            Display::Pairs(between, pair) => {
                let all = (0..ITEMS_MAX).map_while(|index| pair(object, index));
                (all.map(|pair| quoted(&pair, between)).collect(), false)
            }
            Display::Entries(count, entry) => {
                let mut entries = Vec::new();
                for [name, value] in (0..ITEMS_MAX).map_while(|index| entry(object, index)) {
                    let name = super::layout::key(&value::to_string(&name).unwrap_or_default());
                    entries.push(format!("{name}: {}", self.nested(&value, level)));
                }
                let more = more(&mut entries, count(object).saturating_sub(ITEMS_MAX));
                (entries, more)
            }
        }
    }
}

/// Whether entries are all that an object of such a class shows.
fn is_list(display: &Display) -> bool {
    !matches!(display, Display::Attributes(..))
}

fn length(object: &Object<'_>) -> usize {
    reflect::data(object, "length").and_then(|length| length.as_number()).unwrap_or(0.0) as usize
}

fn flush(entries: &mut Vec<String>, holes: &mut usize) {
    if *holes > 0 {
        entries.push(format!("<{holes} empty item{}>", if *holes == 1 { "" } else { "s" }));
        *holes = 0;
    }
}

fn more(entries: &mut Vec<String>, rest: usize) -> bool {
    if rest > 0 {
        entries.push(format!("... {rest} more item{}", if rest == 1 { "" } else { "s" }));
    }
    rest > 0
}

/// A pair of strings; the first is in quotes where what stands between is no colon, or where it is no name.
fn quoted((name, value): &(String, String), between: &str) -> String {
    let name = if between == ": " { super::layout::key(name) } else { super::layout::quote(name) };
    format!("{name}{between}{}", super::layout::quote(value))
}

/// Bytes of one element.
fn unit(name: &str) -> usize {
    match name {
        _ if name.contains("64") => 8,
        _ if name.contains("32") => 4,
        _ if name.contains("16") => 2,
        _ => 1,
    }
}

fn typed_length(array: &Value<'_>, name: &str) -> usize {
    buffer_source::bytes(array).ok().flatten().map_or(0, |bytes| bytes.len() / unit(name))
}

fn typed_items(array: &Object<'_>, length: usize) -> (Vec<String>, bool) {
    let mut entries = Vec::new();
    for index in 0..length.min(ITEMS_MAX) {
        // Elements of a typed array are never accessors.
        match array.get::<_, Value>(index as u32) {
            Ok(item) => entries.push(primitive(&item)),
            Err(_) => drop(array.ctx().catch()),
        }
    }
    let more = more(&mut entries, length.saturating_sub(ITEMS_MAX));
    (entries, more)
}

fn buffer(value: &Value<'_>) -> Vec<String> {
    const BYTES_MAX: usize = 50;
    let Ok(Some(bytes)) = buffer_source::bytes(value) else { return Vec::new() };
    let mut hex = bytes.with(|all| {
        let shown = all.iter().take(BYTES_MAX).map(|byte| format!("{byte:02x}"));
        shown.collect::<Vec<_>>().join(" ")
    });
    let rest = bytes.len().saturating_sub(BYTES_MAX);
    if rest > 0 {
        hex += &format!(" ... {rest} more byte{}", if rest == 1 { "" } else { "s" });
    }
    vec![format!("[Uint8Contents]: <{hex}>"), format!("byteLength: {}", bytes.len())]
}
