//! TypeScript's `import x = require("y")`, which is a call in a CommonJS module and an import in others
//! (TypeScript handbook, "Modules Reference").
//!
//! Owns: the statement in place of it, in the same line. Must not know: what else TypeScript has.

use oxc::allocator::Allocator;
use oxc::ast::ast::{Declaration, Program, Statement, TSImportEqualsDeclaration, TSModuleReference};
use oxc::parser::Parser;
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::span::{GetSpan, SourceType, Span};

/// The source without such imports. `keep`: those whose names stand for types alone stay, too.
pub fn rewrite(source: &str, kind: SourceType, commonjs: bool, keep: bool) -> Option<String> {
    if !source.contains("import") || !source.contains("require") {
        return None;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, kind).parse();
    // What does not parse is told by who transforms it.
    if parsed.diagnostics.errors().next().is_some() || !parsed.program.body.iter().any(is_one) {
        return None;
    }
    let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
    let found = replacements(&parsed.program, semantic.scoping(), source, commonjs, keep);
    let mut text = source.to_owned();
    for (span, replacement) in found.into_iter().rev() {
        // What follows keeps its line.
        let lines = source[span.start as usize..span.end as usize].matches('\n').count();
        text.replace_range(span.start as usize..span.end as usize, &(replacement + &"\n".repeat(lines)));
    }
    Some(text)
}

fn one<'a, 'b>(statement: &'b Statement<'a>) -> Option<(&'b TSImportEqualsDeclaration<'a>, bool)> {
    let (import, exported) = match statement {
        Statement::TSImportEqualsDeclaration(import) => (&**import, false),
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::TSImportEqualsDeclaration(import) => (&**import, true),
            _ => return None,
        },
        _ => return None,
    };
    let is_call = matches!(import.module_reference, TSModuleReference::ExternalModuleReference(_));
    (is_call && !import.import_kind.is_type()).then_some((import, exported))
}

fn is_one(statement: &Statement<'_>) -> bool {
    one(statement).is_some()
}

fn replacements(
    program: &Program<'_>,
    scoping: &Scoping,
    source: &str,
    commonjs: bool,
    keep: bool,
) -> Vec<(Span, String)> {
    let all = program.body.iter().filter_map(|statement| Some((statement.span(), one(statement)?)));
    let made = all.filter_map(|(span, (import, exported))| {
        let TSModuleReference::ExternalModuleReference(module) = &import.module_reference else { return None };
        let (name, from) = (import.id.name.as_str(), module.expression.span);
        let from = &source[from.start as usize..from.end as usize];
        let used = |symbol| scoping.get_resolved_references(symbol).any(|reference| !reference.is_type());
        let is_value = keep || exported || import.id.symbol_id.get().is_none_or(used);
        let export = if exported { "export " } else { "" };
        let text = match (is_value, commonjs) {
            (false, _) => String::new(),
            (true, true) => format!("{export}const {name} = require({from});"),
            // A namespace, unless the module says what `require` is to give, as those of CommonJS do.
            (true, false) => format!(
                "import * as {name}$module from {from}; {export}const {name}: any = 'module.exports' in {name}$module \
                 ? {name}$module['module.exports'] : {name}$module;"
            ),
        };
        Some((span, text))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_required_import_becomes_an_import_or_a_call() {
        let source = "import a = require('./a');\nexport import b = require(\n'./b'); import type c = require('./c');\n\
                      import T = require('./t'); import M = N.inner;\nexport const v: T.X = a.v;";
        let made = |commonjs, keep| rewrite(source, SourceType::ts(), commonjs, keep).expect("rewritten");
        let text = made(false, false);
        assert!(text.starts_with("import * as a$module from './a'; const a: any = "), "{text}");
        assert!(
            text.contains("export const b: any = ") && text.contains("import type c = require('./c')"),
            "{text}"
        );
        assert!(!text.contains("'./t'") && text.contains("import M = N.inner"), "{text}");
        assert_eq!(text.lines().count(), source.lines().count());
        let text = made(true, true);
        assert!(
            text.starts_with("const a = require('./a');") && text.contains("const T = require('./t');"),
            "{text}"
        );
        assert_eq!(rewrite("import a from 'require'", SourceType::ts(), false, false), None);
    }
}
