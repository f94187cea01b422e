//! CommonJS modules: how they are told from ECMAScript ones, and the names that they export.
//!
//! Owns: what of a CommonJS text counts as an export; `process.env.NODE_ENV`, which bundlers replace; what stands
//! before the text where it runs. Must not know: how a module is run. Names are a guess from the text, as Node's are.

use std::collections::BTreeSet;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BindingPattern, CallExpression, Expression,
    ObjectExpression, ObjectPropertyKind, StaticMemberExpression, VariableDeclarator,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan, SourceType};

use super::paths::is_in_package;
use super::prepared::{Exports, ModuleFormat, Prepared};
use super::reexports;

/// What code for bundlers asks for; there is no `process`.
pub const NODE_ENV: &str = "process.env.NODE_ENV";

/// What stands before a CommonJS module's text; it is in the first line, so that the others keep their
/// numbers.
pub const COMMONJS_BEFORE: &str = "(function (exports, require, module, __filename, __dirname) {";

/// What stands for [`NODE_ENV`]: the variable's value, else "production".
pub(super) fn node_env() -> String {
    let value = std::env::var("NODE_ENV").unwrap_or_else(|_| "production".into());
    let plain = value.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let text = format!("\"{}\"", if plain { value.as_str() } else { "production" });
    // Columns stay as they are.
    format!("{text:<width$}", width = NODE_ENV.len())
}

/// Tells what the `source` of the file `name` is, and what it exports.
pub(super) fn analyse(name: &str, source: &str) -> Prepared {
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let kind = match name.ends_with(".cjs") || name.ends_with(".cts") {
        true => SourceType::cjs(),
        false => SourceType::unambiguous(),
    };
    let parsed = Parser::new(&allocator, source, kind).with_options(options).parse();
    // What does not parse has no names; the engine's errors are the ones that are told.
    let mut scan = Scan::default();
    scan.visit_program(&parsed.program);
    let text = scan.replaced(source);
    let module = parsed.module_record.has_module_syntax
        || name.ends_with(".mjs")
        || !(kind.is_commonjs() || is_in_package(name) || scan.touches);
    let (text, format) = match module && !kind.is_commonjs() {
        true => (reexports::rewrite(text), ModuleFormat::Module),
        false => (text, ModuleFormat::CommonJs(scan.exports())),
    };
    Prepared { text: text.into_bytes(), format, positions: None }
}

/// What is found in one text.
#[derive(Default)]
struct Scan {
    names: BTreeSet<String>,
    from: BTreeSet<String>,
    /// Whether it names `require`, `exports` or `module.exports` as CommonJS does.
    touches: bool,
    /// Where [`NODE_ENV`] stands.
    node_env: Vec<(usize, usize)>,
    /// Variables that begin as an object with a handler, or as one that `new` makes.
    apps: BTreeSet<String>,
    /// Variables that become `module.exports`.
    wholes: BTreeSet<String>,
    /// Whether `module.exports` becomes such an object right there.
    serves: bool,
}

/// What the methods of an app are called; `default` is one to compilers.
const HANDLERS: [&str; 4] = ["fetch", "accept", "connect", "default"];

impl Scan {
    fn exports(self) -> Exports {
        let handler = HANDLERS.iter().any(|name| self.names.contains(*name));
        let serves = self.serves || handler || !self.apps.is_disjoint(&self.wholes);
        Exports { names: self.names.into_iter().collect(), from: self.from.into_iter().collect(), serves }
    }

    fn replaced(&self, source: &str) -> String {
        let value = node_env();
        let (mut text, mut last) = (String::with_capacity(source.len()), 0);
        for (start, end) in &self.node_env {
            text.push_str(&source[last..*start]);
            text.push_str(&value);
            last = *end;
        }
        text.push_str(&source[last..]);
        text
    }

    /// What `value` adds when it becomes `module.exports`.
    fn whole(&mut self, value: &Expression<'_>) {
        self.serves |= is_app(value);
        match value.get_inner_expression() {
            Expression::ObjectExpression(object) => self.keys(object),
            Expression::AssignmentExpression(chain) => self.whole(&chain.right),
            Expression::Identifier(name) => {
                self.wholes.insert(name.name.to_string());
            }
            Expression::CallExpression(call) => {
                if let Some(specifier) = call.common_js_require() {
                    self.from.insert(specifier.value.to_string());
                } else if let Some(Argument::ObjectExpression(object)) = call.arguments.get(1)
                    && is_named(&call.callee, &["assign"])
                {
                    self.keys(object);
                } else if is_named(&call.callee, &["__toCommonJS"])
                    && let Some(Argument::Identifier(_)) = call.arguments.first()
                {
                    // Made by esbuild: `__export` of the same object names them.
                }
            }
            // `0 && (module.exports = { a, b })`: for those who look, and never run.
            Expression::LogicalExpression(logical) => self.whole(&logical.right),
            _ => {}
        }
    }

    fn keys(&mut self, object: &ObjectExpression<'_>) {
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    self.names.extend(property.key.static_name().map(|name| name.into_owned()));
                }
                ObjectPropertyKind::SpreadProperty(spread) => {
                    if let Expression::CallExpression(call) = &spread.argument
                        && let Some(specifier) = call.common_js_require()
                    {
                        self.from.insert(specifier.value.to_string());
                    }
                }
            }
        }
    }
}

/// Whether `value` is an object with a handler, or one that `new` makes.
fn is_app(value: &Expression<'_>) -> bool {
    match value.get_inner_expression() {
        Expression::NewExpression(_) => true,
        Expression::ObjectExpression(object) => object.properties.iter().any(|property| match property {
            ObjectPropertyKind::ObjectProperty(property) => {
                property.key.static_name().is_some_and(|name| HANDLERS.contains(&&*name))
            }
            ObjectPropertyKind::SpreadProperty(_) => false,
        }),
        _ => false,
    }
}

/// `exports`, `module.exports`, and assignments to those (`exports = module.exports`).
fn is_exports(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::AssignmentExpression(chain) => {
            matches!(&chain.left, AssignmentTarget::AssignmentTargetIdentifier(id) if id.name == "exports")
                || target_is_module_exports(&chain.left)
        }
        other => other.is_specific_id("exports") || other.is_specific_member_access("module", "exports"),
    }
}

fn target_is_module_exports(target: &AssignmentTarget<'_>) -> bool {
    target.as_member_expression().is_some_and(|member| member.is_specific_member_access("module", "exports"))
}

/// Whether the function called has one of `names`, alone or as the property of an object.
fn is_named(callee: &Expression<'_>, names: &[&str]) -> bool {
    let name = match callee.get_inner_expression() {
        Expression::Identifier(identifier) => identifier.name.as_str(),
        Expression::StaticMemberExpression(member) => member.property.name.as_str(),
        // `(0, tslib.__exportStar)(...)`
        Expression::SequenceExpression(sequence) => {
            return sequence.expressions.last().is_some_and(|last| is_named(last, names));
        }
        _ => return false,
    };
    names.contains(&name)
}

impl<'a> Visit<'a> for Scan {
    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if target_is_module_exports(&it.left) {
            self.touches = true;
            self.whole(&it.right);
        } else if let Some(member) = it.left.as_member_expression()
            && is_exports(member.object())
        {
            self.touches = true;
            self.names.extend(member.static_property_name().map(str::to_owned));
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let (BindingPattern::BindingIdentifier(name), Some(value)) = (&it.id, &it.init)
            && is_app(value)
        {
            self.apps.insert(name.name.to_string());
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.touches |= it.common_js_require().is_some();
        let argument = |at: usize| it.arguments.get(at).and_then(Argument::as_expression);
        if is_named(&it.callee, &["defineProperty"]) && argument(0).is_some_and(is_exports) {
            self.touches = true;
            if let Some(Expression::StringLiteral(name)) = argument(1) {
                self.names.insert(name.value.to_string());
            }
        } else if is_named(
            &it.callee,
            &["__exportStar", "__export", "__reExport", "_export_star", "_exportStar"],
        ) {
            for value in it.arguments.iter().filter_map(Argument::as_expression) {
                match value.get_inner_expression() {
                    Expression::CallExpression(call) => {
                        if let Some(specifier) = call.common_js_require() {
                            self.from.insert(specifier.value.to_string());
                        }
                    }
                    // esbuild: __export(name, { a: () => a })
                    Expression::ObjectExpression(object) if is_named(&it.callee, &["__export"]) => {
                        self.keys(object);
                    }
                    _ => {}
                }
            }
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        if it.property.name == "NODE_ENV"
            && let Expression::StaticMemberExpression(env) = &it.object
            && env.property.name == "env"
            && env.object.is_specific_id("process")
        {
            let span = it.span();
            self.node_env.push((span.start as usize, span.end as usize));
        }
        walk::walk_static_member_expression(self, it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> (Vec<String>, Vec<String>) {
        let prepared = analyse("/a/node_modules/p/a.js", source);
        match prepared.format {
            ModuleFormat::CommonJs(exports) => (exports.names, exports.from),
            ModuleFormat::Module => panic!("a module: {source}"),
        }
    }

    #[test]
    fn names_are_found_in_the_forms_that_tools_write() {
        for (source, names) in [
            ("exports.a = 1; exports['b-c'] = 2; module.exports.d = 3", "a b-c d"),
            ("exports.a = exports.b = void 0", "a b"),
            ("module.exports = { a, b: 1, 'c': 2, d() {}, get e() {}, [f]: 1 }", "a b c d e"),
            (
                "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = f;",
                "__esModule default",
            ),
            ("Object.defineProperty(module.exports, 'a', { get() { return b } })", "a"),
            ("exports = module.exports = f; exports.a = 1", "a"),
            ("(exports = module.exports = f).a = 1", "a"),
            ("(function (factory) { factory(exports) })(function (exports) { exports.a = 1 })", "a"),
            (
                "__export(src_exports, { a: () => a, b: () => b }); module.exports = __toCommonJS(src_exports);",
                "a b",
            ),
            ("module.exports = __toCommonJS(x); 0 && (module.exports = { a, b });", "a b"),
            ("module.exports = Object.assign(f, { a: 1 })", "a"),
            ("module.exports = function () {}", ""),
        ] {
            let mut expected: Vec<&str> = names.split_whitespace().collect();
            expected.sort_unstable();
            assert_eq!(found(source).0, expected, "{source}");
        }
    }

    #[test]
    fn what_is_exported_tells_an_app_from_a_script() {
        for (source, serves) in [
            ("module.exports = { fetch() {} }", true),
            ("const app = { async accept(fd) {} }; module.exports = app", true),
            ("const { Hono } = require('hono'); const app = new Hono(); module.exports = app", true),
            ("module.exports = exports = new App()", true),
            ("exports.fetch = (request) => {}", true),
            ("Object.defineProperty(exports, '__esModule', { value: true }); exports.default = app;", true),
            ("const x = new Map(); exports.main = main; main()", false),
            ("module.exports = main; function main() {}", false),
            ("module.exports = { main }", false),
            ("const fs = require('x'); fs.fetch()", false),
        ] {
            match analyse("/a/a.cjs", source).format {
                ModuleFormat::CommonJs(exports) => assert_eq!(exports.serves, serves, "{source}"),
                ModuleFormat::Module => panic!("a module: {source}"),
            }
        }
    }

    #[test]
    fn modules_that_are_taken_over_are_found() {
        for source in [
            "module.exports = require('./x')",
            "__exportStar(require('./x'), exports)",
            "(0, tslib_1.__exportStar)(require('./x'), exports)",
            "__reExport(src_exports, require('./x'), module.exports)",
            "module.exports = { ...require('./x') }",
            "if (process.env.NODE_ENV === 'production') { module.exports = require('./x') }",
        ] {
            assert_eq!(found(source).1, ["./x"], "{source}");
        }
    }

    #[test]
    fn syntax_tells_the_two_kinds_apart() {
        for (name, source, module) in [
            ("/a/node_modules/p/a.js", "import './exports.js'", true),
            ("/a/node_modules/p/a.js", "export default require('x')", true),
            ("/a/node_modules/p/a.js", "import('./exports.js')", false),
            ("/a/node_modules/p/a.js", "globalThis.a = 1", false),
            ("/a/a.js", "const exports = 1", true),
            ("/a/a.js", "await require_something('exports')", true),
            ("/a/a.js", "exports.a = 1", false),
            ("/a/a.js", "const x = require('x'); x()", false),
            ("/a/a.cjs", "1", false),
        ] {
            let prepared = analyse(name, source);
            assert_eq!(prepared.format == ModuleFormat::Module, module, "{name}: {source}");
        }
    }

    #[test]
    fn node_env_is_a_literal_of_the_same_length() {
        let source = "if (process.env.NODE_ENV !== 'test') exports.a = \"process.env.NODE_ENV\"";
        let prepared = analyse("/a/node_modules/p/a.js", source);
        let text = String::from_utf8(prepared.text).expect("text");
        assert_eq!(text, format!("if ({} !== 'test') exports.a = \"process.env.NODE_ENV\"", node_env()));
        assert!(node_env().starts_with('"') && node_env().len() >= NODE_ENV.len());
    }
}
