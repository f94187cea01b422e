//! What becomes of the statements of a namespace's block.
//!
//! Owns: exported declarations, aliases, enums that other blocks go on with. Must not know: how
//! references are found.

use oxc::ast::ast::{
    BindingPattern, Class, Declaration, ExportDeclaration, Expression, Statement, TSEnumDeclaration,
    TSEnumMember, TSImportEqualsDeclaration, VariableDeclaration,
};
use oxc::ast_visit::Visit;
use oxc::span::{GetSpan, Span};
use oxc::syntax::constant_value::ConstantValue;
use oxc::syntax::scope::ScopeFlags;

use super::collect::{self, is_value};
use super::{Enum, Lowering, range};
use crate::source::edits::Piece;

/// `text` as a literal.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Lowering<'_> {
    /// The namespace of the innermost block, as it is called there.
    fn here(&self) -> String {
        self.blocks.last().map(|block| block.name.clone()).unwrap_or_default()
    }

    fn remove(&mut self, span: Span) {
        self.edits.replace(range(span), Vec::new());
    }

    /// A statement of a block.
    pub(super) fn member(&mut self, statement: &Statement<'_>) {
        if let Some((declaration, is_exported)) = collect::namespace(statement) {
            return self.namespace(declaration, statement.span(), is_exported);
        }
        match statement {
            Statement::ExportDeclaration(it) => self.export(it),
            Statement::TSImportEqualsDeclaration(it) => self.alias(it),
            statement => match statement.as_declaration() {
                Some(declaration) if !is_value(declaration) => self.remove(statement.span()),
                _ => self.visit_statement(statement),
            },
        }
    }

    fn export(&mut self, it: &ExportDeclaration<'_>) {
        if !is_value(&it.declaration) {
            return self.remove(it.span);
        }
        let here = self.here();
        match &it.declaration {
            Declaration::VariableDeclaration(declaration) => self.variables(it.span, declaration),
            Declaration::FunctionDeclaration(function) => {
                let start = it.span.start as usize;
                self.edits.replace(start..function.span.start as usize, Vec::new());
                self.property(it.span, function.id.as_ref().map(|id| id.name.as_str()));
                self.visit_function(function, ScopeFlags::Function);
            }
            Declaration::ClassDeclaration(class) => {
                let export = export_keyword(self.source, it.span, class);
                self.edits.replace(export..export + "export".len(), Vec::new());
                self.property(it.span, class.id.as_ref().map(|id| id.name.as_str()));
                self.visit_class(class);
            }
            Declaration::TSEnumDeclaration(declaration) => self.enumeration(it.span, declaration),
            Declaration::TSImportEqualsDeclaration(alias) => {
                match collect::is_alias_of_value(self.scoping, &alias.module_reference) {
                    true => self.assign(it.span, format!(";{here}.{} = ", alias.id.name), alias),
                    false => self.remove(it.span),
                }
            }
            _ => {}
        }
    }

    /// Makes what `span` declares under `name` a property of the namespace.
    fn property(&mut self, span: Span, name: Option<&str>) {
        if let Some(name) = name {
            let text = format!("; {}.{name} = {name};", self.here());
            self.edits.behind(span.end as usize, text);
        }
    }

    /// `import name = A.B`, for this block alone.
    fn alias(&mut self, it: &TSImportEqualsDeclaration<'_>) {
        let is_used = it.id.symbol_id.get().is_some_and(|symbol| {
            self.scoping.get_resolved_references(symbol).any(|reference| reference.is_value())
        });
        match is_used && collect::is_alias_of_value(self.scoping, &it.module_reference) {
            true => self.assign(it.span, format!("var {} = ", it.id.name), it),
            false => self.remove(it.span),
        }
    }

    fn assign(&mut self, span: Span, head: String, alias: &TSImportEqualsDeclaration<'_>) {
        let target = range(alias.module_reference.span());
        if let Some(root) = collect::root(&alias.module_reference)
            && let Some(text) = self.replacement(root)
        {
            self.edits.replace(range(root.span), vec![text.into()]);
        }
        // A piece that is the whole of a replaced range is written by itself.
        self.edits.replace(range(span), vec![head.into(), Piece::Source(target), ";".into()]);
    }

    /// `export const a = 1, { b } = c`: assignments to properties.
    fn variables(&mut self, span: Span, it: &VariableDeclaration<'_>) {
        let mut pieces: Vec<Piece> = Vec::new();
        for one in &it.declarations {
            self.pattern(&one.id);
            let Some(init) = &one.init else { continue };
            self.visit_expression(init);
            let is_object = matches!(one.id, BindingPattern::ObjectPattern(_));
            let (open, close) = if is_object { ("(", ")") } else { ("", "") };
            pieces.push(if pieces.is_empty() { ";" } else { ", " }.into());
            pieces.push(open.into());
            pieces.push(Piece::Source(range(one.id.span())));
            pieces.push(" = ".into());
            pieces.push(Piece::Source(range(init.span())));
            pieces.push(close.into());
        }
        if !pieces.is_empty() {
            pieces.push(";".into());
        }
        self.edits.replace(range(span), pieces);
    }

    /// Makes properties of the names that a pattern binds.
    fn pattern(&mut self, it: &BindingPattern<'_>) {
        match it {
            BindingPattern::BindingIdentifier(id) => {
                let text = format!("{}.{}", self.here(), id.name);
                self.edits.replace(range(id.span), vec![text.into()]);
            }
            BindingPattern::AssignmentPattern(it) => {
                self.pattern(&it.left);
                self.visit_expression(&it.right);
            }
            BindingPattern::ArrayPattern(it) => {
                it.elements.iter().flatten().for_each(|one| self.pattern(one));
                it.rest.iter().for_each(|rest| self.pattern(&rest.argument));
            }
            BindingPattern::ObjectPattern(it) => {
                for property in &it.properties {
                    if property.shorthand {
                        let name = property.key.static_name().unwrap_or_default();
                        let key = format!("{name}: ");
                        self.edits.before(property.span.start as usize, vec![key.into()]);
                    } else {
                        self.visit_property_key(&property.key);
                    }
                    self.pattern(&property.value);
                }
                it.rest.iter().for_each(|rest| self.pattern(&rest.argument));
            }
        }
    }

    /// An enum that is a property of its namespace: one object for all of its declarations.
    fn enumeration(&mut self, span: Span, it: &TSEnumDeclaration<'_>) {
        let (name, here) = (it.id.name.to_string(), self.here());
        let namespace = self.blocks.last().map(|block| block.namespace).unwrap_or_default();
        let members = self.namespaces.get(namespace).enums.get(&name).cloned().unwrap_or_default();
        let scope = it.body.scope_id.get().unwrap_or(self.scoping.root_scope_id());
        let inner = self.parameter(&name, scope);
        let variable = self.variable(it.id.symbol_id(), "let", &name, false);
        let mut pieces: Vec<Piece> = vec![format!(";{variable}(function ({inner}) {{").into()];
        self.enums.push(Enum { scope, name: inner.clone(), members });
        let mut before: Option<String> = None;
        for member in &it.body.members {
            let key = member.id.static_name().to_string();
            let value = self.value(it, member);
            pieces.push(" ".into());
            match (value, &member.initializer) {
                (Some(ConstantValue::String(text)), _) => {
                    pieces.push(format!("{inner}[{}] = {};", quoted(&key), quoted(&text)).into());
                }
                (Some(ConstantValue::Number(number)), _) => {
                    pieces.extend(numbered(&inner, &key, vec![number_text(number).into()]));
                }
                (None, Some(initializer)) => {
                    self.visit_expression(initializer);
                    let value = Piece::Source(range(initializer.span()));
                    match is_text(initializer) {
                        true => {
                            pieces.push(format!("{inner}[{}] = ", quoted(&key)).into());
                            pieces.extend([value, ";".into()]);
                        }
                        false => pieces.extend(numbered(&inner, &key, vec![value])),
                    }
                }
                (None, None) => {
                    let value =
                        before.as_ref().map_or("0".to_owned(), |key| format!("{inner}[{}] + 1", quoted(key)));
                    pieces.extend(numbered(&inner, &key, vec![value.into()]));
                }
            }
            before = Some(key);
        }
        self.enums.pop();
        pieces.push(format!(" }})({name} = {here}.{name} || ({here}.{name} = {{}}));").into());
        self.edits.replace(range(span), pieces);
    }

    /// A member's value, where it is known now.
    fn value(&self, it: &TSEnumDeclaration<'_>, member: &TSEnumMember<'_>) -> Option<ConstantValue> {
        let name = member.id.static_name();
        let symbol = self.scoping.get_binding(it.body.scope_id.get()?, name.as_str().into())?;
        self.scoping.get_enum_member_value(symbol).cloned()
    }
}

/// A member with a number: the way back to its name, too.
fn numbered(name: &str, key: &str, value: Vec<Piece>) -> Vec<Piece> {
    let key = quoted(key);
    let mut pieces = vec![format!("{name}[{name}[{key}] = ").into()];
    pieces.extend(value);
    pieces.push(format!("] = {key};").into());
    pieces
}

fn number_text(number: f64) -> String {
    match number {
        number if number.is_nan() => "0 / 0".to_owned(),
        f64::INFINITY => "1 / 0".to_owned(),
        f64::NEG_INFINITY => "-1 / 0".to_owned(),
        number => dragonbox_ecma::Buffer::new().format(number).to_owned(),
    }
}

/// Whether an expression is a string whatever its parts are.
fn is_text(it: &Expression<'_>) -> bool {
    match it.get_inner_expression() {
        Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
        Expression::BinaryExpression(it) if it.operator.as_str() == "+" => {
            is_text(&it.left) || is_text(&it.right)
        }
        _ => false,
    }
}

/// Where `export` stands: decorators may come before it.
fn export_keyword(source: &str, span: Span, class: &Class<'_>) -> usize {
    let start = class.decorators.iter().map(|one| one.span.end).filter(|end| *end <= class.body.span.start);
    let first = span.start as usize;
    if source[first..].starts_with("export") {
        return first;
    }
    let after = start.max().map_or(first, |end| end as usize);
    source[after..].find("export").map_or(first, |at| after + at)
}
