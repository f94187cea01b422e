//! Decorators and `accessor` fields of classes as plain JavaScript (TC39 proposal-decorators, 2023-11): neither the
//! engine nor oxc's transformer has them.
//!
//! Owns: which classes have them, what stands in their stead around and in the class, `helper.js`, which does
//! the work when the class is evaluated. Must not know: TypeScript, whose syntax is gone by then.

mod class;
mod element;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    AssignmentExpression, AssignmentTarget, AwaitExpression, BindingPattern, Class, Decorator,
    ExportDeclaration, ExportDefaultDeclaration, ExportDefaultDeclarationKind, Expression, FormalParameter,
    Function, ObjectProperty, Program, PropertyDefinition, VariableDeclarator, YieldExpression,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan, SourceType, Span};
use oxc::syntax::scope::ScopeFlags;

use super::edits::{Edited, Edits, Piece};

/// Why a class cannot be made plain JavaScript, and the byte where that stands.
#[derive(Debug)]
pub(super) struct DecoratorRefusal {
    pub(super) message: &'static str,
    pub(super) at: usize,
}

const PARAMETER: &str = "decorators of parameters are TypeScript's own: set \"experimentalDecorators\" in tsconfig.json's \
     compilerOptions";
const YIELD: &str = "'yield' beside the decorators of a class expression: evaluate it before the class, in a variable of its own";

/// Whether `source` may have decorators or `accessor` fields, by a look at its bytes.
pub(super) fn may_be_in(source: &[u8]) -> bool {
    let begins = |at: usize| {
        let before = at.checked_sub(1).map_or(b'\n', |before| source[before]);
        let next = source.get(at + 1).copied().unwrap_or_default();
        let starts = before.is_ascii_whitespace() || b"{};)(=,:[*/".contains(&before);
        starts
            && (next.is_ascii_alphabetic() || next >= 0x80 || b"_$(\\".contains(&next))
            && !in_comment(source, at)
    };
    memchr::memchr_iter(b'@', source).any(begins)
        || memchr::memmem::find_iter(source, b"accessor").any(|at| {
            let next = source.get(at + 8).copied().unwrap_or_default();
            next.is_ascii_whitespace() || b"[/".contains(&next)
        })
}

/// Whether the line up to `at` is one of a comment, as far as its first characters tell.
fn in_comment(source: &[u8], at: usize) -> bool {
    let start = memchr::memrchr(b'\n', &source[..at]).map_or(0, |end| end + 1);
    let line = source[start..at].trim_ascii_start();
    let in_block = line.starts_with(b"*") || line.starts_with(b"/*");
    in_block && memchr::memmem::find(line, b"*/").is_none() || line.starts_with(b"//")
}

/// Whether JavaScript has any; not where it does not parse, which the engine tells in its words.
pub(super) fn are_in_text(source: &str, is_commonjs: bool) -> bool {
    let kind = if is_commonjs { SourceType::cjs() } else { SourceType::unambiguous() };
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, kind).with_options(options).parse();
    parsed.diagnostics.errors().next().is_none() && are_in(&parsed.program)
}

/// Whether `program` has any.
pub(super) fn are_in(program: &Program<'_>) -> bool {
    struct Any(bool);
    impl<'a> Visit<'a> for Any {
        fn visit_decorator(&mut self, _: &Decorator<'a>) {
            self.0 = true;
        }
        fn visit_accessor_property(&mut self, _: &oxc::ast::ast::AccessorProperty<'a>) {
            self.0 = true;
        }
    }
    let mut any = Any(false);
    any.visit_program(program);
    any.0
}

/// `source`, which is JavaScript of the kind `kind`, without decorators and `accessor` fields; none where it has none.
///
/// # Errors
/// What has no counterpart.
pub(super) fn lower(source: &str, kind: SourceType) -> Result<Option<Edited>, DecoratorRefusal> {
    if !may_be_in(source.as_bytes()) {
        return Ok(None);
    }
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, source, kind).with_options(options).parse();
    if !are_in(&parsed.program) {
        return Ok(None);
    }
    let mut lowering = Lowering::new(source);
    lowering.visit_program(&parsed.program);
    if let Some(refusal) = lowering.refusal {
        return Err(refusal);
    }
    let mut edited = lowering.edits.apply(source);
    if lowering.classes > 0 {
        // Behind all, so that lines stay where they are; functions are hoisted.
        let (_, helper) = HELPER.split_once("*/").unwrap_or_default();
        let helper = helper.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let helper: Vec<&str> = helper.collect();
        let name = format!("function {}(", lowering.name);
        edited.text.push('\n');
        edited.text.push_str(&helper.join(" ").replacen("function $decorators(", &name, 1));
        edited.text.push('\n');
    }
    Ok(Some(edited))
}

const HELPER: &str = include_str!("helper.js");

/// The statement that a class declaration is, or is exported by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClassPlace {
    /// A declaration of its own.
    Declared,
    /// `export class`; where the statement starts.
    Exported(usize),
    /// `export default class`; where the statement starts.
    Default(usize),
    /// A class expression.
    Expression,
}

/// The walk over one program.
struct Lowering<'s> {
    source: &'s str,
    edits: Edits,
    /// What new names begin with: no name of the source does.
    name: String,
    /// Classes that have a state of their own.
    classes: usize,
    /// Storage of accessors.
    stores: usize,
    /// What the class that is visited next is in.
    place: Option<ClassPlace>,
    /// Names that anonymous classes get from what they are assigned to, by where the class starts.
    names: Vec<(u32, String)>,
    refusal: Option<DecoratorRefusal>,
}

impl<'s> Lowering<'s> {
    fn new(source: &'s str) -> Self {
        let mut name = "$decorators".to_owned();
        while source.contains(&name) {
            name.push('_');
        }
        Lowering {
            source,
            edits: Edits::default(),
            name,
            classes: 0,
            stores: 0,
            place: None,
            names: Vec::new(),
            refusal: None,
        }
    }

    fn refuse(&mut self, message: &'static str, span: Span) {
        self.refusal.get_or_insert(DecoratorRefusal { message, at: span.start as usize });
    }

    /// Notes the name that `value` gets if it is an anonymous class.
    fn names(&mut self, value: Option<&Expression<'_>>, name: Option<&str>) {
        if let (Some(Expression::ClassExpression(class)), Some(name)) =
            (value.map(Expression::get_inner_expression), name)
            && class.id.is_none()
        {
            self.names.push((class.span.start, name.to_owned()));
        }
    }

    /// The name that the anonymous class starting at `start` gets.
    fn name_of(&self, start: u32) -> Option<&str> {
        self.names.iter().rev().find(|(known, _)| *known == start).map(|(_, name)| name.as_str())
    }

    /// A list of decorators as the helper takes it: for each what `this` is, and itself.
    fn list(&self, decorators: &[Decorator<'_>]) -> Vec<Piece> {
        let mut pieces = vec!["[".into()];
        for decorator in decorators {
            let expression = decorator.expression.get_inner_expression();
            let range = |span: Span| Piece::Source(span.start as usize..span.end as usize);
            match expression {
                Expression::StaticMemberExpression(member)
                    if !member.optional && !matches!(member.object, Expression::Super(_)) =>
                {
                    let property = member.property.name.as_str();
                    pieces.push(format!("...(o => [o, o.{property}])(").into());
                    pieces.push(range(member.object.span()));
                    pieces.push("), ".into());
                }
                Expression::PrivateFieldExpression(member) if !member.optional => {
                    pieces.push(format!("...(o => [o, o.#{}])(", member.field.name).into());
                    pieces.push(range(member.object.span()));
                    pieces.push("), ".into());
                }
                other => pieces.extend(["void 0, (".into(), range(other.span()), "), ".into()]),
            }
        }
        pieces.push("]".into());
        pieces
    }
}

impl<'a> Visit<'a> for Lowering<'_> {
    fn visit_export_declaration(&mut self, it: &ExportDeclaration<'a>) {
        self.place = Some(ClassPlace::Exported(it.span.start as usize));
        walk::walk_export_declaration(self, it);
        self.place = None;
    }

    fn visit_export_default_declaration(&mut self, it: &ExportDefaultDeclaration<'a>) {
        if let ExportDefaultDeclarationKind::ClassDeclaration(_) = &it.declaration {
            self.place = Some(ClassPlace::Default(it.span.start as usize));
        }
        self.names(it.declaration.as_expression(), Some("default"));
        walk::walk_export_default_declaration(self, it);
        self.place = None;
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        let place = self.place.take();
        let place = match it.is_expression() {
            true => ClassPlace::Expression,
            false => place.unwrap_or(ClassPlace::Declared),
        };
        class::lower(self, it, place);
        walk::walk_class(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.place = None;
        walk::walk_function(self, it, flags);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        self.place = None;
        if let BindingPattern::BindingIdentifier(id) = &it.id {
            self.names(it.init.as_ref(), Some(id.name.as_str()));
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if let AssignmentTarget::AssignmentTargetIdentifier(id) = &it.left {
            self.names(Some(&it.right), Some(id.name.as_str()));
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        self.names(Some(&it.value), it.key.static_name().as_deref());
        walk::walk_object_property(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        self.names(it.value.as_ref(), it.key.static_name().as_deref());
        walk::walk_property_definition(self, it);
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        if let Some(decorator) = it.decorators.first() {
            self.refuse(PARAMETER, decorator.span);
        }
        walk::walk_formal_parameter(self, it);
    }
}

/// Whether an expression stops its own function: it cannot move into another one as it is.
#[derive(Default)]
struct Stops {
    awaits: bool,
    yields: Option<Span>,
}

impl<'a> Visit<'a> for Stops {
    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        self.awaits = true;
        walk::walk_await_expression(self, it);
    }

    fn visit_yield_expression(&mut self, it: &YieldExpression<'a>) {
        self.yields = Some(it.span);
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &oxc::ast::ast::ArrowFunctionExpression<'a>) {}
}

#[cfg(test)]
mod tests {
    use super::may_be_in;

    #[test]
    fn comments_with_an_at_sign_need_no_parser_and_code_behind_them_does() {
        for (source, may) in [
            ("/** @type {App} */\nexport default {}", false),
            ("/*\n * @param a\n */\n// @ts-check\nf('@a')", false),
            ("/** @a */ @dec class A {}", true),
            (" * a */ @dec class A {}", true),
            ("class A { @dec method() {} }", true),
            ("class A { accessor a = 1 }", true),
        ] {
            assert_eq!(may_be_in(source.as_bytes()), may, "{source}");
        }
    }
}
