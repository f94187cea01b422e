//! `for await` loops whose iterators are closed before an exception of the body goes on (ECMA-262 section 14.7.5.6,
//! step 6.k, by AsyncIteratorClose): the engine calls `return()` then, and does not wait for it.
//!
//! Owns: the loop in place of each one that can show it, in the same lines; where the places went. Must not know:
//! files, who runs it. What the text of a function is shows the other loop.

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingPattern, ForOfStatement, ForStatementLeft, LabeledStatement, Program, Statement,
    VariableDeclaration, VariableDeclarationKind,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan, SourceType, Span};

use super::commonjs::COMMONJS_BEFORE;
use super::edits::{Edited, Edits};
use super::lines::Lines;
use super::positions::Positions;
use super::prepared::{ModuleFormat, Prepared};

/// Whether `source` may have such a loop, told without parsing it.
pub(super) fn may_be_in(source: &[u8]) -> bool {
    memchr::memmem::find_iter(source, b"await").any(|at| {
        let before = source[..at].trim_ascii_end();
        let next = source.get(at + b"await".len()).copied().unwrap_or_default();
        (before.ends_with(b"for") || before.ends_with(b"*/"))
            && (next.is_ascii_whitespace() || matches!(next, b'(' | b'/'))
    })
}

/// `prepared` with such loops; what has none, or does not parse, stays as it is.
pub(super) fn lower(prepared: Prepared) -> Prepared {
    let commonjs = matches!(prepared.format, ModuleFormat::CommonJs(_));
    let edited = match std::str::from_utf8(&prepared.text) {
        Ok(source) if may_be_in(&prepared.text) => lowered(source, commonjs)
            .map(|edited| (positions(source, &edited, &prepared, commonjs), edited.text)),
        _ => None,
    };
    match edited {
        None => prepared,
        Some((positions, text)) => {
            Prepared { text: text.into_bytes(), positions: Some(positions), ..prepared }
        }
    }
}

fn lowered(source: &str, commonjs: bool) -> Option<Edited> {
    // A classic script, too, where it is no module.
    let kinds = if commonjs { &[SourceType::cjs()][..] } else { &[SourceType::mjs(), SourceType::cjs()][..] };
    let options = ParseOptions { allow_return_outside_function: commonjs, ..ParseOptions::default() };
    kinds.iter().find_map(|kind| {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, source, *kind).with_options(options).parse();
        match parsed.diagnostics.errors().next() {
            Some(_) => None,
            None => Some(edited(source, &parsed.program)),
        }
    })?
}

fn edited(source: &str, program: &Program<'_>) -> Option<Edited> {
    let mut name = "$thrown".to_owned();
    while source.contains(&name) {
        name.push('_');
    }
    let mut loops = Loops { source, edits: Edits::default(), name, start: None };
    loops.visit_program(program);
    (!loops.edits.is_empty()).then(|| loops.edits.apply(source))
}

/// The walk over one program.
struct Loops<'s> {
    source: &'s str,
    edits: Edits,
    /// The variable of what the body threw, in an array; with a `1` behind it one for the value in between. No
    /// name of the source begins so.
    name: String,
    /// Where the labels before the statement that comes next begin.
    start: Option<u32>,
}

impl<'a> Visit<'a> for Loops<'_> {
    fn visit_labeled_statement(&mut self, it: &LabeledStatement<'a>) {
        let start = self.start.take().unwrap_or(it.span.start);
        if matches!(it.body, Statement::LabeledStatement(_) | Statement::ForOfStatement(_)) {
            self.start = Some(start);
        }
        walk::walk_labeled_statement(self, it);
        self.start = None;
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        let start = self.start.take().unwrap_or(it.span.start);
        if it.r#await {
            self.replace(start, it);
        }
        walk::walk_for_of_statement(self, it);
    }
}

impl Loops<'_> {
    /// The body catches what it throws and leaves the loop by `break`, which closes the iterator as it should;
    /// then the exception goes on, whatever closing it threw.
    fn replace(&mut self, start: u32, it: &ForOfStatement<'_>) {
        let begin = match target(&it.left) {
            LoopTarget::Variable if is_empty(&it.body) => return,
            LoopTarget::Variable => String::new(),
            LoopTarget::Pattern(declares) => match self.in_one_line(it.left.span()) {
                Some(pattern) if declares => format!("{pattern}={}1;", self.name),
                Some(pattern) => format!("({pattern}={}1);", self.name),
                None => return,
            },
        };
        let (name, body) = (&self.name, it.body.span());
        self.edits.before(start as usize, vec![format!("{{let {name};try{{").into()]);
        self.edits.behind(it.span.end as usize, format!("}}finally{{if({name})throw {name}[0]}}}}"));
        if !begin.is_empty() {
            let range = it.left.span().start as usize..it.left.span().end as usize;
            let lines = "\n".repeat(self.source[range.clone()].matches('\n').count());
            self.edits.replace(range, vec![format!("const {name}1{lines}").into()]);
        }
        self.edits.before(body.start as usize, vec![format!("{{try{{{begin}").into()]);
        self.edits.behind(body.end as usize, format!("}}catch({name}1){{{name}=[{name}1];break}}}}"));
    }

    /// The text of `span` in one line; none where that would be another.
    fn in_one_line(&self, span: Span) -> Option<String> {
        let text = &self.source[span.start as usize..span.end as usize];
        if !text.contains('\n') {
            return Some(text.to_owned());
        }
        let is_safe = !text.contains(['`', '\\']) && !text.contains("//");
        is_safe.then(|| text.replace(['\n', '\r'], " "))
    }
}

/// What each value goes to.
enum LoopTarget {
    /// A variable of the loop's, which takes anything.
    Variable,
    /// What may throw; whether it declares variables.
    Pattern(bool),
}

fn target(left: &ForStatementLeft<'_>) -> LoopTarget {
    let ForStatementLeft::VariableDeclaration(declaration) = left else { return LoopTarget::Pattern(false) };
    match is_plain(declaration) {
        true => LoopTarget::Variable,
        false => LoopTarget::Pattern(true),
    }
}

fn is_plain(declaration: &VariableDeclaration<'_>) -> bool {
    use VariableDeclarationKind::{Const, Let, Var};
    let names =
        declaration.declarations.iter().all(|one| matches!(one.id, BindingPattern::BindingIdentifier(_)));
    names && matches!(declaration.kind, Const | Let | Var)
}

/// Whether `body` cannot throw, for there is nothing in it.
fn is_empty(body: &Statement<'_>) -> bool {
    match body {
        Statement::BlockStatement(block) => block.body.is_empty(),
        Statement::EmptyStatement(_) => true,
        _ => false,
    }
}

/// The places of `edited` in the file that `prepared` was made of; `source` is its text.
fn positions(source: &str, edited: &Edited, prepared: &Prepared, commonjs: bool) -> Positions {
    let (from, to) = (Lines::of(source), Lines::of(&edited.text));
    if let Some(known) = &prepared.positions {
        let moves = edited.moves();
        let moved = known.tokens().filter_map(|[line, column, was, at]| {
            let (line, column) = to.place(moves.now(from.offset(line, column))?);
            Some([line, column, was, at])
        });
        let mut tokens: Vec<_> = moved.collect();
        tokens.sort_unstable();
        return Positions::of(tokens.into_iter());
    }
    // Lines stay as they are, but for those that a loop begins or ends in.
    let (mut tokens, mut start) = (Vec::new(), 0);
    let lines = edited
        .text
        .split_inclusive('\n')
        .zip(source.split_inclusive('\n').map(Some).chain(std::iter::repeat(None)));
    for (number, (now, was)) in lines.enumerate() {
        let before = if commonjs && number == 0 { COMMONJS_BEFORE.len() as u32 } else { 0 };
        if was != Some(now) || before > 0 {
            tokens.extend(words(now).map(|at| {
                let (line, column) = from.place(edited.was(start + at));
                [number as u32, at as u32 + before, line, column]
            }));
        }
        start += now.len();
    }
    Positions::of(tokens.into_iter())
}

/// Where words begin in `line`, and all that is neither a word nor blank.
fn words(line: &str) -> impl Iterator<Item = usize> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'$');
    let bytes = line.as_bytes();
    (0..bytes.len()).filter(move |at| {
        let inside = *at > 0 && is_word(bytes[*at]) && is_word(bytes[*at - 1]);
        !inside && !bytes[*at].is_ascii_whitespace()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower_text(source: &str) -> String {
        let prepared = Prepared { text: source.into(), ..Prepared::default() };
        String::from_utf8(lower(prepared).text).expect("text")
    }

    #[test]
    fn loops_catch_what_their_bodies_throw_and_throw_it_behind() {
        for (source, expected) in [
            (
                "for await (const a of b) { f(a); }",
                "{let $thrown;try{for await (const a of b) {try{{ f(a); }}catch($thrown1){$thrown=[$thrown1];break}}}finally{if($thrown)throw $thrown[0]}}",
            ),
            (
                "x: y: for await (let [a,\n b] of c)\n f()",
                "{let $thrown;try{x: y: for await (const $thrown1\n of c)\n {try{let [a,  b]=$thrown1;f()}catch($thrown1){$thrown=[$thrown1];break}}}finally{if($thrown)throw $thrown[0]}}",
            ),
            (
                "async () => { for await (o.a of $thrown); }",
                "async () => { {let $thrown_;try{for await (const $thrown_1 of $thrown){try{(o.a=$thrown_1);;}catch($thrown_1){$thrown_=[$thrown_1];break}}}finally{if($thrown_)throw $thrown_[0]}} }",
            ),
            (
                "for await (await using a of b) {}",
                "{let $thrown;try{for await (const $thrown1 of b) {try{await using a=$thrown1;{}}catch($thrown1){$thrown=[$thrown1];break}}}finally{if($thrown)throw $thrown[0]}}",
            ),
        ] {
            assert_eq!(lower_text(source), expected, "{source}");
            let allocator = Allocator::default();
            let parsed = Parser::new(&allocator, expected, SourceType::mjs()).parse();
            assert!(parsed.diagnostics.errors().next().is_none(), "{expected}");
        }
    }

    #[test]
    fn what_cannot_show_it_is_left_alone() {
        for source in [
            "for await (const a of b) {}",
            "for await (var a of b);",
            "for (const a of await b) f(a);",
            "// for await (x of y) z\nf(`for await (`)",
            "for await (const a of b) { f(a",
            "for await (const [a,\n // the first\n] of b) f(a)",
        ] {
            assert_eq!(lower_text(source), source);
        }
    }

    #[test]
    fn places_are_those_of_the_file() {
        let source = "let a;\nfor await (const [b] of c) { f(b); }\ng();\n";
        let prepared = Prepared { text: source.into(), ..Prepared::default() };
        let lowered = lower(prepared);
        let text = String::from_utf8(lowered.text.clone()).expect("text");
        let positions = lowered.positions.clone().expect("positions");
        let place = |text: &str, word: &str| {
            let at = text.find(word).expect("it is there");
            let line = text[..at].matches('\n').count() as u32 + 1;
            (line, (at - text[..at].rfind('\n').map_or(0, |end| end + 1)) as u32 + 1)
        };
        for word in ["for", "c)", "f(b)"] {
            let (line, column) = place(&text, word);
            assert_eq!(positions.find(line, column), Some(place(source, word)), "{word}");
        }
        assert_eq!(positions.find(3, 1), None, "as it is");
        // Once more, behind a transform that had places of its own.
        let before = Prepared {
            text: source.into(),
            positions: Some(Positions::of([[0, 0, 9, 0], [1, 29, 11, 4], [2, 0, 12, 0]].into_iter())),
            ..Prepared::default()
        };
        let positions = lower(before).positions.expect("positions");
        let (line, column) = place(&text, "f(b)");
        assert_eq!(positions.find(line, column), Some((12, 5)));
        assert_eq!(positions.find(3, 1), Some((13, 1)));
    }
}
