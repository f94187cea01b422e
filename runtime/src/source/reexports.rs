//! `import { a } from "x"; export { a }` written as `export { a } from "x"`, which is what it means
//! (ECMA-262 section 16.2.1.6.1, ParseModule, step 10): the engine takes it for a variable of the module's
//! own and does not link it where modules import each other in a circle.
//!
//! Owns: when there is something to rewrite, and the rewriting, which moves no line and no column. Must
//! not know: files, TypeScript.

use std::collections::HashMap;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    ExportNamedDeclaration, ImportDeclaration, ImportDeclarationSpecifier, Program, Statement,
};
use oxc::parser::Parser;
use oxc::span::{GetSpan, SourceType};

/// Whether a source may export what it imports, told without parsing it.
pub fn may_apply(source: &[u8]) -> bool {
    if memchr::memmem::find(source, b"import").is_none() {
        return false;
    }
    let mut imported: Option<Vec<&[u8]>> = None;
    memchr::memmem::find_iter(source, b"export").any(|at| {
        let rest = source[at + b"export".len()..].trim_ascii_start();
        let Some(inside) = rest.strip_prefix(b"{") else { return false };
        let Some(end) = memchr::memchr(b'}', inside) else { return false };
        if inside[end + 1..].trim_ascii_start().starts_with(b"from") {
            return false;
        }
        let clauses = imported.get_or_insert_with(|| clauses(source));
        words(&inside[..end]).any(|word| clauses.iter().any(|clause| words(clause).any(|w| w == word)))
    })
}

/// What stands between each `import` and the quote behind it.
fn clauses(source: &[u8]) -> Vec<&[u8]> {
    let starts = memchr::memmem::find_iter(source, b"import").map(|at| &source[at + b"import".len()..]);
    let clause = |rest: &'_ [u8]| -> Option<usize> { memchr::memchr3(b'"', b'\'', b'(', rest) };
    starts.filter_map(|rest| Some(&rest[..clause(rest)?])).collect()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80;
    text.split(move |byte| !is_word(byte)).filter(|word| !matches!(*word, b"" | b"as" | b"from"))
}

/// The source with its re-exports as such; what has none, or does not parse, stays as it is.
pub fn rewrite(source: String) -> String {
    if !may_apply(source.as_bytes()) {
        return source;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &source, SourceType::mjs()).parse();
    match parsed.diagnostics.errors().next() {
        None => rewritten(&source, &parsed.program).unwrap_or_else(|| source.clone()),
        Some(_) => source.clone(),
    }
}

fn rewritten(source: &str, program: &Program<'_>) -> Option<String> {
    let mut imported = HashMap::new();
    for statement in &program.body {
        if let Statement::ImportDeclaration(import) = statement {
            collect(source, import, &mut imported);
        }
    }
    let mut text = source.to_owned();
    let mut added = String::new();
    for statement in &program.body {
        if let Statement::ExportNamedDeclaration(export) = statement {
            take_out(source, export, &imported, &mut text, &mut added);
        }
    }
    (!added.is_empty()).then(|| text + &added)
}

/// What the local names of `import` stand for: the name there, and the specifier with its attributes.
fn collect<'a>(
    source: &'a str,
    import: &ImportDeclaration<'_>,
    imported: &mut HashMap<String, (&'a str, &'a str)>,
) {
    if import.phase.is_some() {
        return;
    }
    let from = source[import.source.span.start as usize..import.span.end as usize].trim_end_matches(';');
    for specifier in import.specifiers.iter().flatten() {
        let (local, name) = match specifier {
            ImportDeclarationSpecifier::ImportSpecifier(one) => {
                let span = one.imported.span();
                (&one.local, &source[span.start as usize..span.end as usize])
            }
            ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => (&one.local, "default"),
            // A namespace is a value, and the variable one of this module.
            ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => continue,
        };
        imported.insert(local.name.to_string(), (name, from));
    }
}

/// Blanks those names of `export` that are imported, and adds the export that they mean.
fn take_out(
    source: &str,
    export: &ExportNamedDeclaration<'_>,
    imported: &HashMap<String, (&str, &str)>,
    text: &mut String,
    added: &mut String,
) {
    let slice = |span: oxc::span::Span| &source[span.start as usize..span.end as usize];
    let close = source[..export.span.end as usize].rfind('}').unwrap_or(export.span.end as usize);
    for (index, one) in export.specifiers.iter().enumerate() {
        let Some((name, from)) = imported.get(slice(one.local.span())) else { continue };
        added.push_str(&format!("\nexport {{ {name} as {} }} from {from};", slice(one.exported.span())));
        let next = export.specifiers.get(index + 1).map_or(close, |next| next.span.start as usize);
        let blank: String = source[one.span.start as usize..next]
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
            .collect();
        text.replace_range(one.span.start as usize..next, &blank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_imported_and_exported_is_exported_from_there() {
        let source = "import D, { a, b as c, 'x y' as z } from './m.js' with { type: 'json' };\nimport * as ns from './n.js';\n\
                      const own = 1; export { a, /* , */ c as e,\n  own, D, z, ns, };\nexport { q } from './q.js'; use(a) // }";
        let expected = "import D, { a, b as c, 'x y' as z } from './m.js' with { type: 'json' };\nimport * as ns from './n.js';\n\
                        const own = 1; export {                   \n  own,       ns, };\nexport { q } from './q.js'; use(a) // }\n\
                        export { a as a } from './m.js' with { type: 'json' };\n\
                        export { b as e } from './m.js' with { type: 'json' };\n\
                        export { default as D } from './m.js' with { type: 'json' };\n\
                        export { 'x y' as z } from './m.js' with { type: 'json' };";
        assert_eq!(rewrite(source.into()), expected);
    }

    #[test]
    fn what_exports_nothing_imported_is_left_alone() {
        for source in [
            "import { a } from './m.js'; export { b }; const b = a;",
            "import { a } from './m.js'; export { a } from './n.js'",
            "export { a }; const a = 'import a'",
            "import './m.js'; export const a = 1; // export { a }",
            "import { a } from './m.js'; export default a; export { a",
            "import * as a from './m.js'; export { a }",
        ] {
            assert_eq!(rewrite(source.into()), source);
        }
        assert!(!may_apply(b"import { a } from './m.js'; const b = 1; export { b }"));
        assert!(!may_apply(b"import { a } from './m.js'; export { a } from './n.js'"));
        assert!(may_apply(b"import{a as b}from'./m.js';export{b}"));
    }
}
