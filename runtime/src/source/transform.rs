//! TypeScript and JSX to JavaScript (crate oxc).
//!
//! Owns: the options that tsconfig.json gives, the parser's refusals in words. Must not know: the
//! cache, who asks.

use std::fmt;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Program, PropertyDefinition, Statement};
use oxc::ast_visit::{Visit, walk};
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::span::{GetSpan, SourceType};
use oxc::transformer::{HelperLoaderMode, JsxRuntime, TransformOptions, Transformer};

use super::decorators;
use super::import_equals;
use super::lines::Lines;
use super::namespaces;
use super::packages::Packages;
use super::positions::Positions;
use super::prepared::SourceError;

/// What tsconfig.json says about code, and the kind of file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    extension: String,
    /// `jsx`: "react" is the one that calls a factory.
    jsx: String,
    import_source: Option<String>,
    factory: Option<String>,
    fragment: Option<String>,
    legacy_decorators: bool,
    decorator_metadata: bool,
    /// Only imports marked with `type` are removed.
    verbatim: bool,
    /// Class fields without a value are no fields.
    assigns_fields: bool,
}

/// What the options come to, for the cache's key.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { extension, jsx, import_source, factory, fragment, .. } = self;
        let flags = [self.legacy_decorators, self.decorator_metadata, self.verbatim, self.assigns_fields];
        write!(f, "{extension:?} {jsx:?} {import_source:?} {factory:?} {fragment:?} {flags:?}")
    }
}

impl Options {
    /// The options for the file `name`.
    ///
    /// # Errors
    /// A tsconfig.json that cannot be read.
    pub fn of(packages: &Packages, name: &str) -> Result<Options, SourceError> {
        let extension = Path::new(name).extension().unwrap_or_default().to_string_lossy().into_owned();
        let mut options = Options { extension, ..Options::default() };
        let config = packages.tsconfig(Path::new(name)).map_err(|reason| SourceError {
            message: format!("cannot read the tsconfig.json that '{name}' belongs to: {reason}"),
            line: 0,
            column: 0,
        })?;
        if let Some(config) = config {
            let config = &config.compiler_options;
            options.jsx = config.jsx.clone().unwrap_or_default();
            options.import_source = config.jsx_import_source.clone();
            options.factory = config.jsx_factory.clone();
            options.fragment = config.jsx_fragment_factory.clone();
            options.legacy_decorators = config.experimental_decorators == Some(true);
            options.decorator_metadata = config.emit_decorator_metadata == Some(true);
            options.verbatim = config.verbatim_module_syntax == Some(true);
            options.assigns_fields = config.use_define_for_class_fields == Some(false);
        }
        Ok(options)
    }

    /// The source of the file `name` without `import x = require("y")`, where it has that.
    pub(super) fn without_import_equals(&self, name: &str, source: &str) -> Option<String> {
        let kind = SourceType::from_path(Path::new(name)).ok()?.with_module(true);
        import_equals::rewrite(source, kind, name.ends_with(".cts"), self.verbatim)
    }

    /// Those for TypeScript that is typed, not in a file: imports are there for what they do.
    pub fn typed() -> Options {
        Options { extension: "ts".to_owned(), verbatim: true, ..Options::default() }
    }

    /// The grammar of the file `name`.
    fn kind(&self, name: &str) -> SourceType {
        match self.extension.as_str() {
            "cjs" => SourceType::cjs(),
            "js" | "mjs" => SourceType::mjs(),
            // What is typed has a name that is no file's.
            _ if name.starts_with('<') => SourceType::ts(),
            _ => {
                SourceType::from_path(Path::new(name)).unwrap_or_else(|_| SourceType::ts()).with_module(true)
            }
        }
    }

    fn for_oxc(&self) -> TransformOptions {
        let mut options = TransformOptions::default();
        options.typescript.only_remove_type_imports = self.verbatim;
        options.typescript.remove_class_fields_without_initializer = self.assigns_fields;
        options.assumptions.set_public_class_fields = self.assigns_fields;
        options.decorator.legacy = self.legacy_decorators;
        options.decorator.emit_decorator_metadata = self.decorator_metadata;
        options.helper_loader.mode = HelperLoaderMode::External;
        options.jsx.display_name_plugin = false;
        if self.jsx == "react" && self.import_source.is_none() {
            options.jsx.runtime = JsxRuntime::Classic;
            options.jsx.pragma = self.factory.clone();
            options.jsx.pragma_frag = self.fragment.clone();
        } else {
            options.jsx.import_source = self.import_source.clone();
        }
        if let Some(factory) = &self.factory {
            options.typescript.jsx_pragma = factory.clone().into();
        }
        if let Some(fragment) = &self.fragment {
            options.typescript.jsx_pragma_frag = fragment.clone().into();
        }
        options
    }
}

/// JavaScript for the `source` of the file `name`.
///
/// # Errors
/// The first thing that the parser or the transformer refuses.
pub fn transform(name: &str, source: &str, options: &Options) -> Result<(String, Positions), SourceError> {
    let kind = options.kind(name);
    let allocator = Allocator::default();
    let program = parse(name, &allocator, source, kind).map_err(|error| refusal(source, &error))?;
    if kind.is_typescript() {
        unfit(name, &program, options).map_err(|error| refusal(source, &error))?;
    }
    let semantic = SemanticBuilder::new().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
    refuse(source, semantic.diagnostics.errors().next())?;
    let scoping = semantic.semantic.into_scoping();
    let lowered = if kind.is_typescript() {
        namespaces::lower(source, &program, &scoping, !name.ends_with(".cts"))
    } else {
        None
    };
    let Some(lowered) = lowered else {
        let made = generate(name, source, program, scoping, options, &allocator);
        let (code, tokens) = made.map_err(|error| refusal(source, &error))?;
        return finish(code, tokens, kind);
    };
    let text = &lowered.text;
    let was = |error: Located| Located { at: error.at.map(|at| lowered.was(at)), ..error };
    let made = parse(name, &allocator, text, kind).and_then(|program| {
        let semantic = SemanticBuilder::new().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
        located(semantic.diagnostics.errors().next())?;
        let scoping = semantic.semantic.into_scoping();
        generate(name, text, program, scoping, options, &allocator)
    });
    let (code, mut tokens) = made.map_err(|error| refusal(source, &was(error)))?;
    let (from, to) = (Lines::of(text), Lines::of(source));
    for token in &mut tokens {
        let (line, column) = to.place(lowered.was(from.offset(token[2], token[3])));
        (token[2], token[3]) = (line, column);
    }
    finish(code, tokens, kind)
}

/// Line and column in the code, line and column in the source; columns in bytes, all from 0.
type TokenPlace = [u32; 4];

fn parse<'a>(
    name: &str,
    allocator: &'a Allocator,
    source: &'a str,
    kind: SourceType,
) -> Result<Program<'a>, Located> {
    let commonjs = name.ends_with(".cts") || kind.is_commonjs();
    let parse = ParseOptions { allow_return_outside_function: commonjs, ..ParseOptions::default() };
    let parsed = Parser::new(allocator, source, kind).with_options(parse).parse();
    located(parsed.diagnostics.errors().next())?;
    Ok(parsed.program)
}

/// JavaScript for `program`, and where its tokens come from.
fn generate<'a>(
    name: &str,
    source: &str,
    mut program: Program<'a>,
    scoping: Scoping,
    options: &Options,
    allocator: &'a Allocator,
) -> Result<(String, Vec<TokenPlace>), Located> {
    let path = Path::new(name);
    let transformer = Transformer::new(allocator, path, &options.for_oxc());
    let transformed = transformer.build_with_scoping(scoping, &mut program);
    located(transformed.diagnostics.errors().next())?;
    if name.ends_with(".cts") {
        no_module(&program)?;
    }
    let output = CodegenOptions {
        source_map_path: Some(path.to_path_buf()),
        comments: CommentOptions::disabled(),
        ..CodegenOptions::default()
    };
    let generated = Codegen::new().with_options(output).build(&program);
    let (from, to) = (Columns::of(source), Columns::of(&generated.code));
    let tokens = generated.map.iter().flat_map(|map| map.get_tokens()).map(|token| {
        let (line, source_line) = (token.get_dst_line(), token.get_src_line());
        [line, to.bytes(line, token.get_dst_col()), source_line, from.bytes(source_line, token.get_src_col())]
    });
    let tokens = tokens.collect();
    Ok((generated.code, tokens))
}

/// Refuses what would become something else in silence.
fn unfit(name: &str, program: &Program<'_>, options: &Options) -> Result<(), Located> {
    let export = program.body.iter().find(|it| matches!(it, Statement::TSExportAssignment(_)));
    if let Some(export) = export.filter(|_| !name.ends_with(".cts")) {
        let message = "'export =' is for CommonJS modules: write export default, or call the file .cts";
        return Err(Located { message: message.to_owned(), at: Some(export.span().start as usize) });
    }
    struct Decorated(Option<usize>);
    impl<'a> Visit<'a> for Decorated {
        fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
            let decorator = it.decorators.first().map(|decorator| decorator.span.start as usize);
            self.0 = self.0.or(decorator);
            walk::walk_property_definition(self, it);
        }
    }
    if !options.assigns_fields || options.legacy_decorators {
        return Ok(());
    }
    let mut decorated = Decorated(None);
    decorated.visit_program(program);
    decorated.0.map_or(Ok(()), |at| {
        let message = "a field with a decorator cannot be assigned in the constructor: leave \"useDefineForClassFields\" \
                       out of tsconfig.json, or set \"experimentalDecorators\"";
        Err(Located { message: message.to_owned(), at: Some(at) })
    })
}

/// Refuses what makes a module of ECMAScript of a CommonJS one.
fn no_module(program: &Program<'_>) -> Result<(), Located> {
    let is_empty =
        |it: &Statement<'_>| matches!(it, Statement::ExportNamedDeclaration(it) if it.specifiers.is_empty());
    let found = program.body.iter().find(|it| it.is_module_declaration() && !is_empty(it));
    found.map_or(Ok(()), |it| {
        let message = "a .cts file is a CommonJS module: write import name = require(\"…\") and export = …, or call \
                       the file .mts";
        Err(Located { message: message.to_owned(), at: Some(it.span().start as usize) })
    })
}

/// What neither the transformer nor the engine has, and the helpers that the code calls.
fn finish(
    code: String,
    mut tokens: Vec<TokenPlace>,
    kind: SourceType,
) -> Result<(String, Positions), SourceError> {
    let script = SourceType::mjs().with_module(kind.is_module());
    let edited = decorators::lower(&code, script).map_err(|error| {
        let (line, column) = Lines::of(&code).place(error.at);
        let place = Positions::of(tokens.iter().copied()).find(line + 1, column + 1);
        let (line, column) = place.unwrap_or_default();
        SourceError { message: error.message.to_owned(), line, column }
    })?;
    let code = match edited {
        None => code,
        Some(edited) => {
            let (from, to, moves) = (Lines::of(&code), Lines::of(&edited.text), edited.moves());
            tokens.retain_mut(|token| {
                let Some(now) = moves.now(from.offset(token[0], token[1])) else { return false };
                (token[0], token[1]) = to.place(now);
                true
            });
            tokens.sort_unstable();
            edited.text
        }
    };
    if !code.contains("babelHelpers.") {
        return Ok((code, Positions::of(tokens.into_iter())));
    }
    let moved = tokens.into_iter().map(|[line, column, was, at]| [line + 1, column, was, at]);
    Ok((format!("{HELPERS}\n{code}"), Positions::of(moved)))
}

/// What decorators of TypeScript (`experimentalDecorators`) become calls of; one line.
const HELPERS: &str = "const babelHelpers = { \
    decorate(all, target, key, shape) { \
        const own = shape === null ? Object.getOwnPropertyDescriptor(target, key) : shape; \
        let made = key === undefined ? target : own; \
        for (const one of all.toReversed()) \
            made = (key === undefined ? one(made) : one(target, key, made)) ?? made; \
        if (key !== undefined && made) Object.defineProperty(target, key, made); \
        return made; \
    }, \
    decorateParam: (index, one) => (target, key) => one(target, key, index), \
    decorateMetadata: (key, value) => globalThis.Reflect?.metadata?.(key, value) ?? (() => {}), \
};";

/// Columns of source maps count UTF-16 units, the engine's count bytes.
struct Columns<'a> {
    /// Empty where they are the same.
    lines: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(text: &'a str) -> Columns<'a> {
        Columns { lines: if text.is_ascii() { Vec::new() } else { text.split('\n').collect() } }
    }

    fn bytes(&self, line: u32, column: u32) -> u32 {
        let Some(text) = self.lines.get(line as usize).filter(|text| !text.is_ascii()) else { return column };
        let mut units = 0;
        for (at, c) in text.char_indices() {
            if units >= column {
                return at as u32;
            }
            units += c.len_utf16() as u32;
        }
        text.len() as u32
    }
}

/// What is refused, and the byte where.
struct Located {
    message: String,
    at: Option<usize>,
}

/// Fails with what `diagnostic` says, if there is one.
fn located(diagnostic: Option<&OxcDiagnostic>) -> Result<(), Located> {
    let Some(diagnostic) = diagnostic else { return Ok(()) };
    let mut message = diagnostic.message.to_string();
    if let Some(help) = &diagnostic.help {
        message = format!("{} ({help})", message.trim_end_matches('.'));
    }
    Err(Located { message, at: diagnostic.labels.first().map(|label| label.offset() as usize) })
}

fn refuse(source: &str, diagnostic: Option<&OxcDiagnostic>) -> Result<(), SourceError> {
    located(diagnostic).map_err(|error| refusal(source, &error))
}

fn refusal(source: &str, error: &Located) -> SourceError {
    let message = error.message.clone();
    let Some(at) = error.at else { return SourceError { message, line: 0, column: 0 } };
    let (line, column) = Lines::of(source).place(at.min(source.len()));
    SourceError { message, line: line + 1, column: column + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, source: &str, options: Options) -> (String, Positions) {
        transform(name, source, &options).unwrap_or_else(|refusal| panic!("{source}: {refusal:?}"))
    }

    #[test]
    fn types_go_and_enums_namespaces_and_fields_become_code() {
        let source = "import { type A, b, C } from './x.ts';\nenum E { One = 1, Two }\nnamespace N { export const n = E.Two }\n\
                      class K<T> { constructor(private readonly p: T, q?: A) {} }\nexport const v = b! as unknown satisfies any;\nexport { K, N };";
        let (code, _) = run("/a.ts", source, Options::default());
        assert!(code.contains("import { b } from \"./x.ts\""), "{code}");
        assert!(!code.contains("satisfies") && !code.contains("readonly") && !code.contains("C }"), "{code}");
        assert!(code.contains("this.p = p") && code.contains("[\"One\"]"), "{code}");
    }

    #[test]
    fn jsx_follows_tsconfig_and_pragmas() {
        let source = "export const a = <div class='x'>hi</div>;";
        let hono = Options { import_source: Some("hono/jsx".into()), ..Options::default() };
        assert!(run("/a.tsx", source, hono).0.contains("\"hono/jsx/jsx-runtime\""));
        let classic = Options { jsx: "react".into(), factory: Some("h".into()), ..Options::default() };
        assert!(run("/a.jsx", source, classic).0.contains("h(\"div\""));
        let pragma = format!("/** @jsxImportSource preact */\n{source}");
        assert!(run("/a.tsx", &pragma, Options::default()).0.contains("\"preact/jsx-runtime\""));
    }

    #[test]
    fn places_are_bytes_of_the_source() {
        let source = "interface I {\n  a: string\n}\nconst s: string = '\u{e9}\u{1f600}'; thrower(s);\n";
        let (code, positions) = run("/a.ts", source, Options::default());
        let (line, column) = code
            .lines()
            .enumerate()
            .find_map(|(line, text)| text.find("thrower").map(|at| (line as u32 + 1, at as u32 + 1)))
            .expect("the call");
        let column_of_source =
            source.lines().nth(3).and_then(|l| l.find("thrower")).expect("there") as u32 + 1;
        assert_eq!(positions.find(line, column), Some((4, column_of_source)));
    }

    #[test]
    fn a_refusal_has_its_place() {
        let refusal = transform("/a.ts", "let a: number = 1;\nlet \u{e9} = = 2;", &Options::default());
        let refusal = refusal.expect_err("a syntax error");
        assert_eq!((refusal.line, refusal.column), (2, 10), "{refusal:?}");
    }

    #[test]
    fn decorators_of_typescript_become_code() {
        let source = "function d(t: any) {}\n@d export class A { @d m() {} }";
        let legacy = Options { legacy_decorators: true, ..Options::default() };
        let (code, _) = run("/a.ts", source, legacy);
        assert!(!code.contains("@d"), "{code}");
    }
}
