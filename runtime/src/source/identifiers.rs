//! What a source names by letters beyond ASCII: variables, properties, labels.
//!
//! Owns: the reading of identifiers. Must not know: why it is asked.

use std::collections::BTreeSet;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingIdentifier, IdentifierName, IdentifierReference, LabelIdentifier, PrivateIdentifier,
};
use oxc::ast_visit::Visit;
use oxc::parser::{ParseOptions, Parser};
use oxc::span::SourceType;

/// The identifiers of `source`, a module or else a classic script, that are not all ASCII, private ones with their
/// `#`. What does not parse has none.
pub fn beyond_ascii(source: &str, is_module: bool) -> BTreeSet<String> {
    if source.is_ascii() {
        return BTreeSet::new();
    }
    super::prepare::apart(|| {
        let allocator = Allocator::default();
        let kind = if is_module { SourceType::mjs() } else { SourceType::cjs() };
        let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, source, kind).with_options(options).parse();
        let mut found = Found(BTreeSet::new());
        found.visit_program(&parsed.program);
        found.0
    })
}

struct Found(BTreeSet<String>);

impl Found {
    fn see(&mut self, name: &str) {
        if !name.is_ascii() && !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
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
        if !it.name.is_ascii() {
            self.see(&format!("#{}", it.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_and_texts_do_not() {
        for (source, found) in [
            ("// é\nconst a = 'é' + `é` + /é/.source;", ""),
            ("const é = 1;", "é"),
            ("a.é", "é"),
            ("({ é: 1 })", "é"),
            ("({ 'é': 1 })", ""),
            ("class A { #é = 1 }", "#é"),
            ("é: for (;;) break é;", "é"),
            ("export { a as é }; const a = 1;", "é"),
            ("const \\u00e9 = 1;", ""), // all ASCII: the engine's own
            ("const é = ;", ""),
        ] {
            let names: Vec<_> = beyond_ascii(source, true).into_iter().collect();
            assert_eq!(names.join(" "), found, "{source}");
        }
        assert_eq!(beyond_ascii("return é", false).len(), 1);
    }
}
