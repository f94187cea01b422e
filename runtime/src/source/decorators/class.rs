//! What stands around a class with decorators or `accessor` fields.
//!
//! Owns: the class's state, its own decorators, the binding that they may replace, its name. Must not
//! know: what becomes of an element.

use oxc::ast::ast::{Class, ClassElement};
use oxc::ast_visit::Visit;
use oxc::span::GetSpan;

use super::element::{self, Elements};
use super::{ClassPlace, Lowering, Stops, YIELD};
use crate::source::edits::Piece;

/// Makes plain JavaScript of `class`, if it is not.
pub(super) fn lower(lowering: &mut Lowering<'_>, class: &Class<'_>, place: ClassPlace) {
    let decorated = !class.decorators.is_empty();
    let elements = &class.body.body;
    if !decorated && !elements.iter().any(|element| element.has_decorator() || element::is_accessor(element))
    {
        return;
    }
    let has_state = decorated || elements.iter().any(element::needs_state);
    let mut state = String::new();
    if has_state {
        lowering.classes += 1;
        state = format!("{}{}", lowering.name, lowering.classes);
        Around::of(lowering, class, place, &state).write(lowering);
    }
    let (start, end) = (class.body.span.start as usize + 1, class.body.span.end as usize - 1);
    let starts = elements.iter().any(element::starts_instances);
    let mut all = Elements::new(state.clone(), decorated, starts);
    for element in elements {
        all.lower(lowering, element);
    }
    if has_state {
        let bind = match decorated {
            true => format!(", (made) => {{ {} = made; }}", binding(class, &state)),
            false => String::new(),
        };
        let define = format!(" static {{ {state}.define(this, {{ {} }}{bind}); }}", all.accesses());
        lowering.edits.behind(start, define);
    }
    let mut last = all.rest(lowering);
    if decorated {
        last.push_str(&format!("; static {{ {state}.end(); }} "));
    }
    lowering.edits.before(end, vec![last.into()]);
}

/// The variable that the class is in, once its decorators have run.
fn binding(class: &Class<'_>, state: &str) -> String {
    class.id.as_ref().map_or_else(|| format!("{state}class"), |id| id.name.to_string())
}

/// What stands before and behind the class.
struct Around {
    /// What is replaced: all up to the class's name.
    head: std::ops::Range<usize>,
    before: Vec<Piece>,
    end: usize,
    behind: String,
}

impl Around {
    fn of(lowering: &mut Lowering<'_>, class: &Class<'_>, place: ClassPlace, state: &str) -> Around {
        let helper = lowering.name.clone();
        let start = class.span.start as usize;
        let first = class.decorators.first().map_or(start, |one| (one.span.start as usize).min(start));
        let statement = match place {
            ClassPlace::Exported(start) | ClassPlace::Default(start) => first.min(start),
            ClassPlace::Declared | ClassPlace::Expression => first,
        };
        let after = class.decorators.last().map_or(start, |one| one.span.end as usize).max(start);
        let limit = class.heritage.as_ref().map_or(class.body.span.start, |it| it.expression.span().start);
        let keyword = lowering.source[after..limit as usize].find("class").map_or(after, |at| after + at);
        let id = class.id.as_ref().map(|id| id.name.to_string());
        let end = class.span.end as usize;
        if class.decorators.is_empty() && place != ClassPlace::Expression {
            let before = vec![format!("const {state} = {helper}(); ").into()];
            return Around { head: statement..statement, before, end, behind: String::new() };
        }
        let named = id.clone().or_else(|| match place {
            ClassPlace::Default(_) => Some("default".to_owned()),
            _ => lowering.name_of(class.span.start).map(str::to_owned),
        });
        let (call, arrow) = wrapped(lowering, class);
        let literal = named.as_deref().map(element::quoted);
        if class.decorators.is_empty() {
            // A name of its own stays; one that it gets from outside is given here.
            let literal = literal.filter(|_| id.is_none());
            let (open, close) = match &literal {
                Some(name) => (format!("({{ [{name}]: "), format!(" }})[{name}]")),
                None => (String::new(), String::new()),
            };
            let before = vec![format!("({call}({arrow} {{ const {state} = {helper}(); return {open}").into()];
            return Around { head: start..start, before, end, behind: format!("{close}; }})())") };
        }
        let variable = binding(class, state);
        let (lead, tail) = match place {
            ClassPlace::Declared => (format!("let {variable} = "), ";".to_owned()),
            ClassPlace::Exported(_) => (format!("export let {variable} = "), ";".to_owned()),
            ClassPlace::Default(_) => {
                (format!("let {variable} = "), format!("; export {{ {variable} as default }};"))
            }
            ClassPlace::Expression => ("(".to_owned(), ")".to_owned()),
        };
        let mut before: Vec<Piece> =
            vec![format!("{lead}{call}({arrow} {{ const {state} = {helper}(").into()];
        before.extend(lowering.list(&class.decorators));
        let name = literal.clone().unwrap_or_else(|| "\"\"".to_owned());
        let open = literal.map_or("(".to_owned(), |name| format!("({{ [{name}]: "));
        let close = if named.is_some() { " })" } else { ")" };
        before.push(format!(", {name}); let {variable}; {open}class").into());
        let head_end = class.id.as_ref().map_or(keyword + 5, |id| id.span.end as usize);
        let behind = format!("{close}; return {variable}; }})(){tail}");
        Around { head: statement..head_end, before, end, behind }
    }

    fn write(self, lowering: &mut Lowering<'_>) {
        if self.head.is_empty() {
            lowering.edits.before(self.head.start, self.before);
        } else {
            lowering.edits.replace(self.head, self.before);
        }
        lowering.edits.behind(self.end, self.behind);
    }
}

/// How a function is called and made that holds `class`: what it awaits is awaited in there.
fn wrapped(lowering: &mut Lowering<'_>, class: &Class<'_>) -> (&'static str, &'static str) {
    let mut stops = Stops::default();
    stops.visit_decorators(&class.decorators);
    if let Some(heritage) = &class.heritage {
        stops.visit_expression(&heritage.expression);
    }
    for element in &class.body.body {
        let (decorators, key) = match element {
            ClassElement::MethodDefinition(it) => (&it.decorators, &it.key),
            ClassElement::PropertyDefinition(it) => (&it.decorators, &it.key),
            ClassElement::AccessorProperty(it) => (&it.decorators, &it.key),
            ClassElement::StaticBlock(_) | ClassElement::TSIndexSignature(_) => continue,
        };
        stops.visit_decorators(decorators);
        stops.visit_property_key(key);
    }
    if let Some(span) = stops.yields {
        lowering.refuse(YIELD, span);
    }
    if stops.awaits { ("await ", "async () =>") } else { ("", "() =>") }
}
