//! What an error at a place of a source is about: the expression that was called, constructed, iterated
//! over, read from.
//!
//! Owns: which operation the engine means by a place. Must not know: the engine, its messages. The engine
//! gives an operation the place of the last token before it that has one (quickjs.c, emit_source_loc):
//! the walk repeats these in the parser's order. What is in doubt has no name.

use std::collections::{HashMap, HashSet};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Argument, ArrowFunctionExpression, AssignmentExpression, BinaryExpression, BindingIdentifier,
    BindingPattern, CallExpression, ComputedMemberExpression, DoWhileStatement, Expression,
    ExpressionStatement, ForOfStatement, ForStatement, FormalParameters, Function, IdentifierReference,
    NewExpression, ObjectExpression, ObjectPattern, ObjectProperty, ObjectPropertyKind, PrivateInExpression,
    PropertyDefinition, SimpleAssignmentTarget, SpreadElement, StaticBlock, StaticMemberExpression,
    StringLiteral, TaggedTemplateExpression, ThrowStatement, UnaryExpression, UpdateExpression,
    VariableDeclarator, WhileStatement, YieldExpression,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan, SourceType, Span};
use oxc::syntax::operator::{AssignmentOperator, BinaryOperator, UnaryOperator};
use oxc::syntax::scope::ScopeFlags;

use super::marks::marked;
use super::prepare;
use super::shown::shown;

/// What went wrong at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// A call of what is no function.
    Call,
    /// `new` of what is no constructor.
    Construct,
    /// Iterating over what cannot be.
    Iterate,
    /// Reading this property of null or undefined.
    Read(&'a str),
    /// Writing it.
    Write(&'a str),
    /// Taking null or undefined apart.
    Destructure,
    /// Going round a loop.
    Loop,
}

/// What the error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The expression as one would write it; none for one that is no name in any sense.
    pub text: Option<String>,
    /// What was wanted of it, where that is more than the [`Act`]: the property of a pattern.
    pub property: Option<String>,
    /// What was done with it.
    pub how: How,
}

/// What was done with a subject, where one [`Act`] stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// What the act says.
    Plainly,
    /// `for await`.
    Awaited,
    /// `new`.
    Constructed,
}

/// The longest name that the engine puts into a message whole (quickjs.c, ATOM_GET_STR_BUF_SIZE).
const NAME_BYTES_MAX: usize = 63;

/// The candidates for what `act` at byte `at` of `source` means; `is_function` tells of a path of global
/// names whether a function is there.
pub fn find(source: &str, at: u32, act: Act<'_>, is_function: &dyn Fn(&[&str]) -> bool) -> Vec<Subject> {
    let walked = walked(source, at, act, |walk| match walk.doubt {
        true => Vec::new(),
        false => {
            let callees = walk.callees.iter().map(|path| walk.callee(path));
            walk.found.iter().cloned().zip(callees).collect()
        }
    });
    let surely = |callee: &Callee| match callee {
        Callee::Function => true,
        Callee::Global(path) => is_function(&path.iter().map(String::as_str).collect::<Vec<_>>()),
        Callee::Other => false,
    };
    let found = walked.unwrap_or_default().into_iter().filter(|(_, callee)| !surely(callee));
    found.map(|(subject, _)| subject).collect()
}

/// Walks the source on a stack that suffices for the parser.
fn walked<T: Send>(
    source: &str,
    at: u32,
    act: Act<'_>,
    f: impl Fn(&Walk<'_>) -> T + Send + Sync,
) -> Option<T> {
    prepare::apart(|| {
        let allocator = Allocator::default();
        let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parse = |kind| Parser::new(&allocator, source, kind).with_options(options).parse();
        let mut parsed = parse(SourceType::mjs());
        if parsed.diagnostics.has_errors() {
            parsed = parse(SourceType::cjs());
        }
        if parsed.diagnostics.has_errors() {
            return None;
        }
        let mut walk = Walk {
            source,
            at,
            act,
            now: None,
            doubt: false,
            literals: Vec::new(),
            found: Vec::new(),
            callees: Vec::new(),
            loops: Vec::new(),
            bound: HashMap::new(),
            functions: HashSet::new(),
            assigned: HashSet::new(),
        };
        walk.visit_program(&parsed.program);
        Some(f(&walk))
    })
}

/// Where the loop begins that runs at byte `at` of `source`, if none is around that: the engine knows a
/// loop without a place in it by what stands before.
pub fn loop_behind(source: &str, at: u32) -> Option<u32> {
    walked(source, at, Act::Loop, |walk| match walk.loops[..] {
        [one] if one > at => Some(one),
        _ => None,
    })?
}

/// A place as the engine counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorPlace {
    At(u32),
    /// Somewhere before this byte, in the same line.
    Before(u32),
}

/// A callee as a path of names; empty for any other.
type Path = Vec<String>;

/// What is known of a callee.
enum Callee {
    /// It is a function of this file.
    Function,
    /// It is what this path of global names leads to.
    Global(Path),
    Other,
}

struct Walk<'a> {
    source: &'a str,
    at: u32,
    act: Act<'a>,
    /// The place that the engine gives an operation that comes now; none at the start of a function.
    now: Option<ErrorPlace>,
    /// Something else may be meant: nothing has a name.
    doubt: bool,
    /// String literals so far.
    literals: Vec<Span>,
    found: Vec<Subject>,
    /// For each one found, what it calls.
    callees: Vec<Path>,
    /// Where the loops begin that go round at the place.
    loops: Vec<u32>,
    /// How often each name is declared anywhere in the file.
    bound: HashMap<String, u32>,
    functions: HashSet<String>,
    assigned: HashSet<String>,
}

impl Walk<'_> {
    fn callee(&self, path: &Path) -> Callee {
        let Some(first) = path.first() else { return Callee::Other };
        match self.bound.get(first) {
            None => Callee::Global(path.clone()),
            Some(1)
                if path.len() == 1 && self.functions.contains(first) && !self.assigned.contains(first) =>
            {
                Callee::Function
            }
            Some(_) => Callee::Other,
        }
    }

    fn note(&mut self, subject: impl FnOnce() -> Subject, callee: Path) {
        match self.now {
            Some(ErrorPlace::At(now)) if now == self.at => {
                self.found.push(subject());
                self.callees.push(callee);
            }
            Some(ErrorPlace::Before(token)) if token > self.at => {
                let between = self.source.get(self.at as usize..token as usize);
                self.doubt |= between.is_some_and(|between| !between.contains('\n'));
            }
            _ => {}
        }
    }

    /// The token at byte `token` gives its place to what comes now.
    fn pass(&mut self, token: u32) {
        let place = marked(self.source.as_bytes(), token, &self.literals);
        self.now = Some(place.map_or(ErrorPlace::Before(token), ErrorPlace::At));
    }

    /// An error may be made here that has the engine's words.
    fn made(&mut self) {
        self.doubt |= self.now == Some(ErrorPlace::At(self.at));
    }

    fn about(&mut self, expression: &Expression<'_>) {
        self.note(|| Subject { text: shown(expression), property: None, how: How::Plainly }, Vec::new());
    }

    fn read(&mut self, object: &Expression<'_>, property: Option<&str>) {
        if let Act::Read(name) = self.act
            && is_named(property, name)
        {
            self.about(object);
        }
    }

    fn written(&mut self, object: &Expression<'_>, property: Option<&str>) {
        if let Act::Write(name) = self.act
            && is_named(property, name)
        {
            self.about(object);
        }
    }

    fn called(&mut self, callee: &Expression<'_>) {
        if self.act == Act::Call {
            let subject = || Subject { text: shown(callee), property: None, how: How::Plainly };
            self.note(subject, path(callee));
        }
    }

    fn iterated(&mut self, over: &Expression<'_>) {
        if self.act == Act::Iterate {
            self.about(over);
        }
    }

    fn taken_apart(&mut self, pattern: &BindingPattern<'_>, init: Option<&Expression<'_>>) {
        let (itself, inside) = patterns(pattern, self.act);
        let subject = match pattern {
            // Which of them it is cannot be told.
            _ if inside > 0 => Subject { text: None, property: None, how: How::Plainly },
            _ if itself == 0 => return,
            BindingPattern::ObjectPattern(pattern) => {
                Subject { text: init.and_then(shown), property: first_property(pattern), how: How::Plainly }
            }
            _ => Subject { text: init.and_then(shown), property: None, how: How::Plainly },
        };
        self.note(|| subject, Vec::new());
    }

    fn goes_round(&mut self, span: Span) {
        if self.act == Act::Loop && self.now == Some(ErrorPlace::At(self.at)) {
            self.loops.push(span.start);
        }
    }

    /// Something of a function of its own: the places begin anew, and go on as they were.
    fn inside(&mut self, start: Option<ErrorPlace>, f: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.now, start);
        f(self);
        self.now = outside;
    }

    fn arguments<'a>(&mut self, arguments: &[Argument<'a>]) {
        for argument in arguments {
            self.visit_argument(argument);
        }
    }

    fn parameters(&mut self, parameters: &FormalParameters<'_>) {
        for parameter in &parameters.items {
            self.taken_apart(&parameter.pattern, None);
        }
    }
}

/// Whether `path` names what makes errors.
fn makes_errors(path: &[String]) -> bool {
    path.last().is_some_and(|name| name.ends_with("Error") || name.ends_with("Exception"))
}

/// Whether a message that names `name` may mean `property`, where that is known.
fn is_named(property: Option<&str>, name: &str) -> bool {
    property.is_none_or(|property| {
        property == name || name.len() >= NAME_BYTES_MAX - 3 && property.starts_with(name)
    })
}

/// How many patterns fail as `act` says: `pattern` itself, and those inside of it.
fn patterns(pattern: &BindingPattern<'_>, act: Act<'_>) -> (usize, usize) {
    let all = |pattern: &BindingPattern<'_>| {
        let (itself, inside) = patterns(pattern, act);
        itself + inside
    };
    match pattern {
        BindingPattern::BindingIdentifier(_) => (0, 0),
        BindingPattern::AssignmentPattern(pattern) => patterns(&pattern.left, act),
        BindingPattern::ObjectPattern(pattern) => {
            let inside = pattern.properties.iter().map(|property| all(&property.value)).sum();
            (usize::from(act == Act::Destructure), inside)
        }
        BindingPattern::ArrayPattern(pattern) => {
            let inside = pattern.elements.iter().flatten().map(all).sum();
            (usize::from(act == Act::Iterate), inside)
        }
    }
}

fn first_property(pattern: &ObjectPattern<'_>) -> Option<String> {
    pattern.properties.first()?.key.static_name().map(|name| name.into_owned())
}

fn path(callee: &Expression<'_>) -> Path {
    match callee.get_inner_expression() {
        Expression::Identifier(identifier) => vec![identifier.name.to_string()],
        Expression::StaticMemberExpression(member) => {
            let prototype = |class: &str| vec![class.to_owned(), "prototype".to_owned()];
            let mut path = match member.object.get_inner_expression() {
                Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => prototype("String"),
                Expression::ArrayExpression(_) => prototype("Array"),
                other => path(other),
            };
            if !path.is_empty() {
                path.push(member.property.name.to_string());
            }
            path
        }
        _ => Vec::new(),
    }
}

impl<'a> Visit<'a> for Walk<'_> {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.pass(it.span.start);
    }

    fn visit_string_literal(&mut self, it: &StringLiteral<'a>) {
        self.literals.push(it.span);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        *self.bound.entry(it.name.to_string()).or_default() += 1;
    }

    fn visit_object_expression(&mut self, it: &ObjectExpression<'a>) {
        for property in &it.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => self.visit_object_property(property),
                ObjectPropertyKind::SpreadProperty(spread) => self.visit_expression(&spread.argument),
            }
        }
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        // The engine gives `{ a }` no place.
        if !it.shorthand {
            walk::walk_object_property(self, it);
        }
    }

    fn visit_expression_statement(&mut self, it: &ExpressionStatement<'a>) {
        self.pass(it.expression.span().start);
        walk::walk_expression_statement(self, it);
    }

    fn visit_throw_statement(&mut self, it: &ThrowStatement<'a>) {
        self.pass(it.argument.span().start);
        walk::walk_throw_statement(self, it);
    }

    fn visit_binary_expression(&mut self, it: &BinaryExpression<'a>) {
        self.visit_expression(&it.left);
        if it.operator != BinaryOperator::Exponential {
            self.pass(it.right.span().start);
        }
        self.visit_expression(&it.right);
    }

    fn visit_private_in_expression(&mut self, it: &PrivateInExpression<'a>) {
        self.pass(it.right.span().start);
        self.visit_expression(&it.right);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if matches!(it.callee, Expression::Super(_)) {
            return self.arguments(&it.arguments);
        }
        self.visit_expression(&it.callee);
        self.pass(it.arguments.first().map_or(it.span.end - 1, |first| first.span().start));
        self.arguments(&it.arguments);
        // What has the engine's words as its argument makes an error itself.
        let words = |argument: &Argument<'_>| match argument {
            Argument::StringLiteral(text) => text.value.contains("not a"),
            _ => false,
        };
        match it.arguments.iter().any(words) || makes_errors(&path(&it.callee)) {
            true => self.made(),
            false => self.called(&it.callee),
        }
    }

    fn visit_tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        self.visit_expression(&it.tag);
        self.pass(it.quasi.span.start);
        self.visit_template_literal(&it.quasi);
        self.called(&it.tag);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        self.pass(it.callee.span().start);
        self.visit_expression(&it.callee);
        self.arguments(&it.arguments);
        // The engine says "not a function" of what is no object at all.
        let path = path(&it.callee);
        if makes_errors(&path) {
            self.made();
        } else if matches!(self.act, Act::Construct | Act::Call) {
            let subject = || Subject { text: shown(&it.callee), property: None, how: How::Constructed };
            self.note(subject, Vec::new());
        }
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        self.visit_expression(&it.object);
        self.read(&it.object, Some(&it.property.name));
    }

    fn visit_computed_member_expression(&mut self, it: &ComputedMemberExpression<'a>) {
        self.visit_expression(&it.object);
        self.visit_expression(&it.expression);
        self.read(&it.object, it.static_property_name().as_deref());
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let Some(member) = it.left.as_member_expression() else {
            if let Some(name) = it.left.get_identifier_name() {
                self.assigned.insert(name.to_owned());
            }
            return walk::walk_assignment_expression(self, it);
        };
        self.visit_expression(member.object());
        if let oxc::ast::ast::MemberExpression::ComputedMemberExpression(computed) = member {
            self.visit_expression(&computed.expression);
        }
        let property = member.static_property_name();
        if it.operator != AssignmentOperator::Assign {
            self.read(member.object(), property);
        }
        self.visit_expression(&it.right);
        self.written(member.object(), property);
    }

    fn visit_update_expression(&mut self, it: &UpdateExpression<'a>) {
        if let SimpleAssignmentTarget::AssignmentTargetIdentifier(identifier) = &it.argument {
            self.assigned.insert(identifier.name.to_string());
        }
        walk::walk_update_expression(self, it);
    }

    fn visit_unary_expression(&mut self, it: &UnaryExpression<'a>) {
        walk::walk_unary_expression(self, it);
        if it.operator == UnaryOperator::Delete && self.act == Act::Destructure {
            // The same message.
            self.note(|| Subject { text: None, property: None, how: How::Plainly }, Vec::new());
        }
    }

    fn visit_spread_element(&mut self, it: &SpreadElement<'a>) {
        walk::walk_spread_element(self, it);
        self.iterated(&it.argument);
    }

    fn visit_yield_expression(&mut self, it: &YieldExpression<'a>) {
        walk::walk_yield_expression(self, it);
        if let Some(argument) = it.argument.as_ref().filter(|_| it.delegate) {
            self.iterated(argument);
        }
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let (
            Some(Expression::FunctionExpression(_) | Expression::ArrowFunctionExpression(_)),
            Some(name),
        ) = (&it.init, it.id.get_identifier_name())
        {
            self.functions.insert(name.to_string());
        }
        // The engine's parser emits the pattern before what it takes apart.
        if it.init.is_some() {
            self.taken_apart(&it.id, it.init.as_ref());
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        if let Some(init) = &it.init {
            self.visit_for_statement_init(init);
        }
        if let Some(test) = &it.test {
            self.visit_expression(test);
        }
        // The engine puts the update behind the body.
        let before = self.now.take();
        if let Some(update) = &it.update {
            self.visit_expression(update);
        }
        let update = std::mem::replace(&mut self.now, before);
        self.visit_statement(&it.body);
        self.now = update.or(self.now);
        self.goes_round(it.span);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        walk::walk_while_statement(self, it);
        self.goes_round(it.span);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        walk::walk_do_while_statement(self, it);
        self.goes_round(it.span);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        let before = self.now.take();
        self.visit_for_statement_left(&it.left);
        self.now = before;
        self.visit_expression(&it.right);
        match self.act {
            Act::Iterate => self.about(&it.right),
            Act::Call if it.r#await => {
                let subject = || Subject { text: shown(&it.right), property: None, how: How::Awaited };
                self.note(subject, Vec::new());
            }
            _ => {}
        }
        self.now = None;
        self.visit_statement(&it.body);
        self.now = None;
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        if let Some(id) = it.id.as_ref().filter(|_| it.is_declaration()) {
            self.functions.insert(id.name.to_string());
        }
        self.inside(None, |walk| walk::walk_function(walk, it, flags));
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let start = marked(self.source.as_bytes(), it.span.start, &self.literals).map(ErrorPlace::At);
        self.inside(start, |walk| {
            walk.parameters(&it.params);
            walk::walk_arrow_function_expression(walk, it);
        });
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        self.inside(None, |walk| walk::walk_property_definition(walk, it));
    }

    fn visit_static_block(&mut self, it: &StaticBlock<'a>) {
        self.inside(None, |walk| walk::walk_static_block(walk, it));
    }
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
