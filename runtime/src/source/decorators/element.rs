//! What becomes of the elements of a class with decorators or `accessor` fields.
//!
//! Owns: their keys, initial values, storage of accessors, the order of what runs. Must not know: what
//! stands around the class.

use oxc::ast::ast::{
    AccessorProperty, ClassElement, Decorator, Expression, MethodDefinition, MethodDefinitionKind,
    PropertyDefinition, PropertyKey, StaticBlock,
};
use oxc::span::{GetSpan, Span};

use super::Lowering;
use crate::source::edits::Piece;

/// `text` as a literal.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether it is an `accessor` field.
pub(super) fn is_accessor(element: &ClassElement<'_>) -> bool {
    matches!(element, ClassElement::AccessorProperty(_))
}

/// Whether it needs the state of its class.
pub(super) fn needs_state(element: &ClassElement<'_>) -> bool {
    let ClassElement::AccessorProperty(it) = element else { return element.has_decorator() };
    !it.decorators.is_empty() || is_noted(it)
}

/// Whether an accessor without decorators has a number: for its computed key, or its static storage.
fn is_noted(it: &AccessorProperty<'_>) -> bool {
    it.computed || it.r#static && !it.key.is_private_identifier()
}

/// Whether its decorators may ask for something to run before an instance's fields.
pub(super) fn starts_instances(element: &ClassElement<'_>) -> bool {
    matches!(element, ClassElement::MethodDefinition(it) if !it.r#static && !it.decorators.is_empty())
}

/// The elements of one class.
pub(super) struct Elements {
    state: String,
    /// The class has decorators: they may replace it, and its static fields are those of what it is then.
    late: bool,
    next: usize,
    /// What is to run on an instance before its next field; its value is `this`.
    pending: Option<String>,
    /// How private elements are reached.
    accesses: Vec<String>,
}

impl Elements {
    pub(super) fn new(state: String, late: bool, starts: bool) -> Elements {
        let pending = starts.then(|| format!("{state}.start(this)"));
        Elements { state, late, next: 0, pending, accesses: Vec::new() }
    }

    /// The functions that reach private elements, by number.
    pub(super) fn accesses(&self) -> String {
        self.accesses.join(", ")
    }

    /// What is left to run behind the last field.
    pub(super) fn rest(&mut self, lowering: &mut Lowering<'_>) -> String {
        self.pending.take().map_or(String::new(), |pending| format!("; {}", store(lowering, &pending)))
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn lower(&mut self, lowering: &mut Lowering<'_>, element: &ClassElement<'_>) {
        match element {
            ClassElement::StaticBlock(it) if self.late => self.block(lowering, it),
            ClassElement::MethodDefinition(it) if !it.decorators.is_empty() => self.method(lowering, it),
            ClassElement::PropertyDefinition(it) if it.r#static => self.static_field(lowering, it),
            ClassElement::PropertyDefinition(it) => self.field(lowering, it),
            ClassElement::AccessorProperty(it) => self.accessor(lowering, it),
            _ => {}
        }
    }

    /// The call that notes an element, up to its key.
    fn add(
        &self,
        lowering: &Lowering<'_>,
        kind: &str,
        is_static: bool,
        decorators: &[Decorator<'_>],
    ) -> Vec<Piece> {
        let mut pieces = vec![format!("{}.add(\"{kind}\", {is_static}, ", self.state).into()];
        pieces.extend(lowering.list(decorators));
        pieces.push(", ".into());
        pieces
    }

    /// `static { … }`: it runs when the class is what its decorators made of it.
    fn block(&mut self, lowering: &mut Lowering<'_>, it: &StaticBlock<'_>) {
        let (start, end) = (it.span.start as usize, it.span.end as usize);
        let brace = lowering.source[start..end].find('{').map_or(end, |at| start + at);
        let (state, number) = (self.state.clone(), self.number());
        let head = format!("static [{state}.add(\"block\", true, [], \"\", \"late\")]() ");
        lowering.edits.replace(start..brace, vec![head.into()]);
        lowering.edits.behind(end, format!(" static {{ {state}.late({number}); }}"));
    }

    fn method(&mut self, lowering: &mut Lowering<'_>, it: &MethodDefinition<'_>) {
        let kind = match it.kind {
            MethodDefinitionKind::Get => "getter",
            MethodDefinitionKind::Set => "setter",
            MethodDefinitionKind::Constructor | MethodDefinitionKind::Method => "method",
        };
        let number = self.number();
        remove(lowering, &it.decorators);
        let add = self.add(lowering, kind, it.r#static, &it.decorators);
        let PropertyKey::PrivateIdentifier(name) = &it.key else {
            return key(lowering, &it.key, it.computed, add, ")");
        };
        let (name, state) = (name.name.as_str(), &self.state);
        let pieces = private(add, name);
        lowering.edits.replace(range(it.key.span()), pieces);
        let modifier = if it.r#static { "static " } else { "" };
        let found = format!("{state}.found({number})");
        let forward = match kind {
            "getter" => format!(" {modifier}get #{name}() {{ return {found}.get.call(this); }}"),
            "setter" => format!(" {modifier}set #{name}(value) {{ {found}.set.call(this, value); }}"),
            _ => format!(" {modifier}get #{name}() {{ return {found}.value; }}"),
        };
        lowering.edits.behind(it.span.end as usize, forward);
        self.access(number, name, kind);
    }

    fn access(&mut self, number: usize, name: &str, kind: &str) {
        let get = if kind == "setter" { "undefined".to_owned() } else { format!("(o) => o.#{name}") };
        let set = match kind {
            "method" | "getter" => String::new(),
            _ => format!(", (o, v) => {{ o.#{name} = v; }}"),
        };
        self.accesses.push(format!("{number}: [(o) => #{name} in o, {get}{set}]"));
    }

    /// A field of instances.
    fn field(&mut self, lowering: &mut Lowering<'_>, it: &PropertyDefinition<'_>) {
        if it.decorators.is_empty() {
            if let Some(pending) = self.pending.take() {
                let text = store(lowering, &pending);
                lowering.edits.before(it.span.start as usize, vec![text.into()]);
            }
            return;
        }
        let number = self.decorated_field(lowering, it);
        let this = self.pending.take().unwrap_or_else(|| "this".to_owned());
        self.initial(lowering, it, number, &this);
        self.pending = Some(format!("{}.extra({number}, this)", self.state));
    }

    fn static_field(&mut self, lowering: &mut Lowering<'_>, it: &PropertyDefinition<'_>) {
        let is_private = it.key.is_private_identifier();
        let state = self.state.clone();
        if self.late && !is_private {
            return self.late_field(lowering, it);
        }
        if it.decorators.is_empty() {
            return;
        }
        let number = self.decorated_field(lowering, it);
        self.initial(lowering, it, number, "this");
        lowering.edits.behind(it.span.end as usize, format!("; static {{ {state}.extra({number}, this); }}"));
    }

    /// The key of a field with decorators; its number.
    fn decorated_field(&mut self, lowering: &mut Lowering<'_>, it: &PropertyDefinition<'_>) -> usize {
        let number = self.number();
        remove(lowering, &it.decorators);
        let add = self.add(lowering, "field", it.r#static, &it.decorators);
        match &it.key {
            PropertyKey::PrivateIdentifier(name) => {
                // A private key is no expression: decorators are evaluated with the key of a method that goes.
                let mut pieces = vec!["static ".into()];
                pieces.extend(private(add, &name.name));
                pieces.push("() {} ".into());
                lowering.edits.before(it.span.start as usize, pieces);
                self.access(number, &name.name, "field");
            }
            _ => key(lowering, &it.key, it.computed, add, ")"),
        }
        number
    }

    /// What initializers make of a field's value.
    fn initial(&self, lowering: &mut Lowering<'_>, it: &PropertyDefinition<'_>, number: usize, this: &str) {
        let init = format!("{}.init({number}, {this}, ", self.state);
        let Some(value) = &it.value else {
            let at = behind_key(lowering, &it.key, it.computed);
            return lowering.edits.behind(at, format!(" = {init}undefined)"));
        };
        let (open, close) = naming(value, &format!("{}.label({number})", self.state));
        lowering.edits.before(value.span().start as usize, vec![format!("{init}{open}").into()]);
        lowering.edits.behind(value.span().end as usize, format!("{close})"));
    }

    /// A static field of a class that its decorators may replace: a method gives its value.
    fn late_field(&mut self, lowering: &mut Lowering<'_>, it: &PropertyDefinition<'_>) {
        let number = self.number();
        remove(lowering, &it.decorators);
        let add = self.add(lowering, "field", true, &it.decorators);
        key(lowering, &it.key, it.computed, add, ", \"late\")");
        let at = behind_key(lowering, &it.key, it.computed);
        match &it.value {
            None => lowering.edits.behind(at, "() {}"),
            Some(value) => {
                let (open, close) = naming(value, &format!("{}.label({number})", self.state));
                let start = value.span().start as usize;
                lowering.edits.replace(at..start, vec![format!("() {{ return {open}").into()]);
                lowering.edits.behind(value.span().end as usize, format!("{close}; }}"));
            }
        }
        lowering.edits.behind(it.span.end as usize, format!(" static {{ {}.late({number}); }}", self.state));
    }

    /// `accessor`: storage, a getter, a setter.
    fn accessor(&mut self, lowering: &mut Lowering<'_>, it: &AccessorProperty<'_>) {
        let state = self.state.clone();
        let decorated = !it.decorators.is_empty();
        let number = (decorated || is_noted(it)).then(|| self.number());
        let hidden = match &it.key {
            PropertyKey::PrivateIdentifier(name) => Some(name.name.to_string()),
            _ => None,
        };
        let (getter, setter) = self.accessor_keys(lowering, it, number, hidden.as_deref());
        let mut pieces = Vec::new();
        let slot = number.filter(|_| it.r#static);
        lowering.stores += 1;
        let field = format!("#{}store{}", lowering.name, lowering.stores);
        let (get, set) = match slot {
            Some(slot) => (format!("{state}.take({slot})"), format!("{state}.put({slot}, value)")),
            None => (format!("this.{field}"), format!("this.{field} = value")),
        };
        let init = self.accessor_value(it, number, hidden.as_deref());
        let modifier = if it.r#static { "static " } else { "" };
        if slot.is_none() {
            pieces.push(format!("{modifier}{field} = ").into());
            pieces.extend(init.iter().cloned());
            pieces.push("; ".into());
        }
        pieces.push(format!("{modifier}get ").into());
        pieces.extend(getter);
        pieces.push(format!("() {{ return {get}; }} {modifier}set ").into());
        pieces.extend(setter);
        pieces.push(format!("(value) {{ {set}; }}").into());
        if let (Some(name), Some(number), true) = (&hidden, number, decorated) {
            let found = format!("{state}.found({number})");
            let get = format!(" {modifier}get #{name}() {{ return {found}.get.call(this); }}");
            let set = format!(" {modifier}set #{name}(value) {{ {found}.set.call(this, value); }}");
            pieces.push((get + &set).into());
            self.access(number, name, "accessor");
        }
        if let Some(slot) = slot {
            let late = self.late.then(|| self.number());
            pieces.push(match late {
                Some(_) => format!(" static [{state}.add(\"block\", true, [], \"\", \"late\")]() {{ ").into(),
                None => " static { ".into(),
            });
            pieces.push(format!("{state}.put({slot}, ").into());
            pieces.extend(init);
            pieces.push(format!("); {state}.extra({slot}, this); }}").into());
            pieces.extend(late.map(|late| format!(" static {{ {state}.late({late}); }}").into()));
        }
        if !it.r#static {
            // The storage's value is evaluated with what is pending, or behind it.
            if let Some(pending) = self.pending.take() {
                pieces.insert(0, store(lowering, &pending).into());
            }
            self.pending =
                number.filter(|_| decorated).map(|number| format!("{state}.extra({number}, this)"));
        }
        lowering.edits.replace(range(it.span), pieces);
    }

    /// The keys of an accessor's getter and setter.
    fn accessor_keys(
        &self,
        lowering: &Lowering<'_>,
        it: &AccessorProperty<'_>,
        number: Option<usize>,
        hidden: Option<&str>,
    ) -> (Vec<Piece>, Vec<Piece>) {
        let Some(number) = number else {
            let key = Piece::Source(range(it.key.span()));
            return (vec![key.clone()], vec![key]);
        };
        let add = self.add(lowering, "accessor", it.r#static, &it.decorators);
        let getter = match hidden {
            Some(name) => private(add, name),
            None => {
                let mut pieces = vec!["[".into()];
                pieces.extend(add);
                pieces.push(key_text(&it.key, it.computed));
                pieces.push(")]".into());
                pieces
            }
        };
        (getter, vec![format!("[{}.key({number})]", self.state).into()])
    }

    /// An accessor's first value.
    fn accessor_value(
        &self,
        it: &AccessorProperty<'_>,
        number: Option<usize>,
        hidden: Option<&str>,
    ) -> Vec<Piece> {
        let label = match (number, hidden, it.key.static_name()) {
            (Some(number), ..) => format!("{}.label({number})", self.state),
            (None, Some(name), _) => quoted(&format!("#{name}")),
            (None, None, name) => quoted(&name.unwrap_or_default()),
        };
        let mut pieces = match &it.value {
            None => vec!["undefined".into()],
            Some(value) => {
                let (open, close) = naming(value, &label);
                vec![open.into(), Piece::Source(range(value.span())), close.into()]
            }
        };
        if let (Some(number), false) = (number, it.decorators.is_empty()) {
            pieces.insert(0, format!("{}.init({number}, this, ", self.state).into());
            pieces.push(")".into());
        }
        pieces
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

/// A private field that is there for what its value does.
fn store(lowering: &mut Lowering<'_>, value: &str) -> String {
    lowering.stores += 1;
    format!("#{}store{} = void {value}; ", lowering.name, lowering.stores)
}

fn remove(lowering: &mut Lowering<'_>, decorators: &[Decorator<'_>]) {
    for decorator in decorators {
        lowering.edits.replace(range(decorator.span), Vec::new());
    }
}

/// The key of what stands for a private element until the class is there.
fn private(add: Vec<Piece>, name: &str) -> Vec<Piece> {
    let mut pieces = vec!["[".into()];
    pieces.extend(add);
    pieces.push(format!("\"#{name}\", \"private\")]").into());
    pieces
}

/// A public key as an expression.
fn key_text(key: &PropertyKey<'_>, computed: bool) -> Piece {
    match key {
        PropertyKey::StaticIdentifier(name) if !computed => quoted(&name.name).into(),
        other => Piece::Source(range(other.span())),
    }
}

/// Puts `add` and `close` around a public key, which is computed from then on.
fn key(lowering: &mut Lowering<'_>, key: &PropertyKey<'_>, computed: bool, add: Vec<Piece>, close: &str) {
    let span = range(key.span());
    if computed {
        lowering.edits.before(span.start, add);
        lowering.edits.behind(span.end, close);
        return;
    }
    let mut pieces = vec!["[".into()];
    pieces.extend(add);
    pieces.push(key_text(key, computed));
    pieces.push(format!("{close}]").into());
    lowering.edits.replace(span, pieces);
}

/// Where what is behind a key begins.
fn behind_key(lowering: &Lowering<'_>, key: &PropertyKey<'_>, computed: bool) -> usize {
    let end = key.span().end as usize;
    if !computed {
        return end;
    }
    lowering.source[end..].find(']').map_or(end, |at| end + at + 1)
}

/// What stands around `value` so that an anonymous function is called `label` (ECMA-262, NamedEvaluation).
fn naming(value: &Expression<'_>, label: &str) -> (String, String) {
    let is_anonymous = match value.get_inner_expression() {
        Expression::ArrowFunctionExpression(_) => true,
        Expression::FunctionExpression(it) => it.id.is_none(),
        Expression::ClassExpression(it) => it.id.is_none(),
        _ => false,
    };
    match is_anonymous {
        true => (format!("({{ [{label}]: "), format!(" }})[{label}]")),
        false => (String::new(), String::new()),
    }
}
