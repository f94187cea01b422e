//! Whether a source names anything by letters beyond ASCII: variables, properties, labels.
//!
//! Owns: the reading of identifiers. Must not know: why it is asked.

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingIdentifier, IdentifierName, IdentifierReference, LabelIdentifier, PrivateIdentifier,
};
use oxc::ast_visit::Visit;
use oxc::parser::{ParseOptions, Parser};
use oxc::span::SourceType;

/// Whether an identifier of `source`, a module or else a classic script, is not all ASCII. What does not parse
/// has none.
pub fn beyond_ascii(source: &str, is_module: bool) -> bool {
    if source.is_ascii() {
        return false;
    }
    super::prepare::apart(|| {
        let allocator = Allocator::default();
        let kind = if is_module { SourceType::mjs() } else { SourceType::cjs() };
        let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, source, kind).with_options(options).parse();
        let mut found = Found(false);
        found.visit_program(&parsed.program);
        found.0
    })
}

struct Found(bool);

impl Found {
    fn see(&mut self, name: &str) {
        self.0 |= !name.is_ascii();
    }
}

impl<'a> Visit<'a> for Found {
    fn visit_identifier_name(&mut self, it: &IdentifierName<'a>) {
        self.see(&it.name);
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.see(&it.name);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.see(&it.name);
    }

    fn visit_label_identifier(&mut self, it: &LabelIdentifier<'a>) {
        self.see(&it.name);
    }

    fn visit_private_identifier(&mut self, it: &PrivateIdentifier<'a>) {
        self.see(&it.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_and_texts_do_not() {
        for (source, found) in [
            ("// é\nconst a = 'é' + `é` + /é/.source;", false),
            ("const é = 1;", true),
            ("a.é", true),
            ("({ é: 1 })", true),
            ("({ 'é': 1 })", false),
            ("class A { #é = 1 }", true),
            ("é: for (;;) break é;", true),
            ("export { a as é }; const a = 1;", true),
            ("const \\u00e9 = 1;", false), // all ASCII: the engine's own
            ("const é = ;", false),
        ] {
            assert_eq!(beyond_ascii(source, true), found, "{source}");
        }
        assert!(beyond_ascii("return é", false));
    }
}
