//! Whether a module answers requests, told by what it exports.
//!
//! Owns: which exports are handlers. Must not know: how they are called, which file is asked.

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Declaration, ExportDefaultDeclarationKind, ExportSpecifier, Expression, ObjectPropertyKind, Statement,
};
use oxc::parser::Parser;
use oxc::span::SourceType;

use super::prepare::{SOURCE_BYTES_MAX, apart};
use crate::site::FoundHandlers;

/// Names of exports that are handlers.
const NAMED: [&str; 15] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "onRequest",
    "onRequestGet",
    "onRequestHead",
    "onRequestPost",
    "onRequestPut",
    "onRequestPatch",
    "onRequestDelete",
    "onRequestOptions",
];

/// What the module in the file `name` has, by its `text`.
pub fn find(name: &str, text: &[u8]) -> FoundHandlers {
    if memchr::memmem::find(text, b"export").is_none() || text.len() > SOURCE_BYTES_MAX {
        return FoundHandlers::None;
    }
    let Ok(text) = std::str::from_utf8(text) else { return FoundHandlers::None };
    // The parser goes as deep as the text does.
    apart(|| parsed(name, text))
}

fn parsed(name: &str, text: &str) -> FoundHandlers {
    let allocator = Allocator::default();
    let kind = match SourceType::from_path(name) {
        Ok(kind) if kind.is_typescript() || name.ends_with(".jsx") => kind,
        _ => SourceType::mjs(),
    };
    let parsed = Parser::new(&allocator, text, kind).parse();
    if parsed.diagnostics.errors().next().is_some() {
        return FoundHandlers::Unknown;
    }
    let mut found = FoundHandlers::None;
    for statement in &parsed.program.body {
        match of_statement(statement) {
            FoundHandlers::Named => return FoundHandlers::Named,
            FoundHandlers::Default => found = FoundHandlers::Default,
            FoundHandlers::None | FoundHandlers::Unknown => {}
        }
    }
    found
}

fn of_statement(statement: &Statement<'_>) -> FoundHandlers {
    match statement {
        Statement::ExportDeclaration(export) => match is_declared(&export.declaration) {
            true => FoundHandlers::Named,
            false => FoundHandlers::None,
        },
        Statement::ExportNamedDeclaration(it) if !it.export_kind.is_type() => of_specifiers(&it.specifiers),
        Statement::ExportFromDeclaration(it) if !it.export_kind.is_type() => of_specifiers(&it.specifiers),
        // What it exports stands elsewhere.
        Statement::ExportAllDeclaration(it) if !it.export_kind.is_type() && it.exported.is_none() => {
            FoundHandlers::Default
        }
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(_) => FoundHandlers::Default,
            ExportDefaultDeclarationKind::ClassDeclaration(_)
            | ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => FoundHandlers::None,
            other => other.as_expression().map_or(FoundHandlers::None, of_expression),
        },
        _ => FoundHandlers::None,
    }
}

fn is_declared(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::FunctionDeclaration(it) => it.id.as_ref().is_some_and(|id| is_named(&id.name)),
        Declaration::VariableDeclaration(it) => {
            let bound = it.declarations.iter().flat_map(|it| it.id.get_binding_identifiers());
            bound.into_iter().any(|id| is_named(&id.name))
        }
        _ => false,
    }
}

fn of_specifiers(specifiers: &[ExportSpecifier<'_>]) -> FoundHandlers {
    let values = specifiers.iter().filter(|it| !it.export_kind.is_type());
    let names: Vec<_> = values.map(|it| it.exported.name()).collect();
    if names.iter().any(|name| is_named(name)) {
        return FoundHandlers::Named;
    }
    if names.iter().any(|name| *name == "default") { FoundHandlers::Default } else { FoundHandlers::None }
}

fn of_expression(expression: &Expression<'_>) -> FoundHandlers {
    match expression.get_inner_expression() {
        Expression::ObjectExpression(object) => {
            let may_have = object.properties.iter().any(|it| match it {
                ObjectPropertyKind::SpreadProperty(_) => true,
                ObjectPropertyKind::ObjectProperty(it) => {
                    it.key.static_name().is_none_or(|name| name == "fetch")
                }
            });
            if may_have { FoundHandlers::Default } else { FoundHandlers::None }
        }
        Expression::ArrayExpression(_)
        | Expression::BooleanLiteral(_)
        | Expression::NullLiteral(_)
        | Expression::NumericLiteral(_)
        | Expression::BigIntLiteral(_)
        | Expression::RegExpLiteral(_)
        | Expression::StringLiteral(_)
        | Expression::TemplateLiteral(_)
        | Expression::JSXElement(_)
        | Expression::JSXFragment(_)
        | Expression::ClassExpression(_) => FoundHandlers::None,
        _ => FoundHandlers::Default,
    }
}

fn is_named(name: &str) -> bool {
    NAMED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_told_by_the_exports() {
        for (text, expected) in [
            ("export function GET() {}", FoundHandlers::Named),
            ("export async function onRequestPost(context) {}", FoundHandlers::Named),
            ("export const POST = () => 1, x = 2", FoundHandlers::Named),
            ("export const { GET, PUT } = all", FoundHandlers::Named),
            ("function f() {} export { f as DELETE }", FoundHandlers::Named),
            ("export { GET } from './x.js'", FoundHandlers::Named),
            ("export default function () {}", FoundHandlers::Default),
            ("export default async (request) => 1", FoundHandlers::Default),
            ("export default { fetch(request) {} }", FoundHandlers::Default),
            ("export default { fetch: f, port: 1 }", FoundHandlers::Default),
            ("export default { ...app }", FoundHandlers::Default),
            ("const app = new Hono(); export default app", FoundHandlers::Default),
            ("export { app as default }", FoundHandlers::Default),
            ("export * from './x.js'", FoundHandlers::Default),
            ("export default class Chart {}", FoundHandlers::None),
            ("export default { a: 1 }", FoundHandlers::None),
            ("export default 'x'", FoundHandlers::None),
            ("export function helper() {} export const get = 1", FoundHandlers::None),
            ("document.title = 'export function GET'", FoundHandlers::None),
            ("/* export default {} */", FoundHandlers::None),
            ("module.exports = { fetch() {} } // export", FoundHandlers::None),
            ("export functio", FoundHandlers::Unknown),
        ] {
            assert_eq!(find("a.js", text.as_bytes()), expected, "{text}");
        }
        for (text, expected) in [
            ("export type GET = string; export interface POST {}", FoundHandlers::None),
            ("export const GET = (request: Request): Response => new Response()", FoundHandlers::Named),
            ("export default { fetch() {} } satisfies App", FoundHandlers::Default),
            ("export default interface X {}", FoundHandlers::None),
        ] {
            assert_eq!(find("a.ts", text.as_bytes()), expected, "{text}");
        }
        assert_eq!(find("a.jsx", b"export const GET = () => <p/>"), FoundHandlers::Named);
    }
}
