//! TypeScript and JSX to JavaScript (crate oxc).
//!
//! Owns: the options that tsconfig.json gives, the parser's refusals in words. Must not know: the
//! cache, who asks.

use std::fmt;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use oxc::transformer::{HelperLoaderMode, JsxRuntime, TransformOptions, Transformer};

use super::import_equals;
use super::packages;
use super::positions::Positions;
use super::prepare::Refusal;

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
    pub fn of(name: &str) -> Result<Options, Refusal> {
        let extension = Path::new(name).extension().unwrap_or_default().to_string_lossy().into_owned();
        let mut options = Options { extension, ..Options::default() };
        let config = packages::tsconfig(Path::new(name)).map_err(|reason| Refusal {
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
pub fn transform(name: &str, source: &str, options: &Options) -> Result<(String, Positions), Refusal> {
    let allocator = Allocator::default();
    let path = Path::new(name);
    let kind = SourceType::from_path(path).unwrap_or_else(|_| SourceType::ts()).with_module(true);
    let parse =
        ParseOptions { allow_return_outside_function: name.ends_with(".cts"), ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, source, kind).with_options(parse).parse();
    refuse(source, parsed.diagnostics.errors().next())?;
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
    refuse(source, semantic.diagnostics.errors().next())?;
    let scoping = semantic.semantic.into_scoping();
    let transformer = Transformer::new(&allocator, path, &options.for_oxc());
    let transformed = transformer.build_with_scoping(scoping, &mut program);
    refuse(source, transformed.diagnostics.errors().next())?;
    let output = CodegenOptions {
        source_map_path: Some(path.to_path_buf()),
        comments: CommentOptions::disabled(),
        ..CodegenOptions::default()
    };
    let generated = Codegen::new().with_options(output).build(&program);
    let helped = generated.code.contains("babelHelpers.");
    let (from, to) = (Columns::of(source), Columns::of(&generated.code));
    let positions = generated.map.iter().flat_map(|map| map.get_tokens()).map(|token| {
        let (line, source_line) = (token.get_dst_line(), token.get_src_line());
        [
            line + u32::from(helped),
            to.bytes(line, token.get_dst_col()),
            source_line,
            from.bytes(source_line, token.get_src_col()),
        ]
    });
    let positions = Positions::of(positions);
    let code = if helped { format!("{HELPERS}\n{}", generated.code) } else { generated.code };
    Ok((code, positions))
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

/// Fails with what `diagnostic` says, if there is one.
fn refuse(source: &str, diagnostic: Option<&OxcDiagnostic>) -> Result<(), Refusal> {
    let Some(diagnostic) = diagnostic else { return Ok(()) };
    let mut message = diagnostic.message.to_string();
    if let Some(help) = &diagnostic.help {
        message = format!("{} ({help})", message.trim_end_matches('.'));
    }
    let Some(label) = diagnostic.labels.first() else {
        return Err(Refusal { message, line: 0, column: 0 });
    };
    let mut end = (label.offset() as usize).min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() as u32 + 1;
    Err(Refusal { message, line, column: (end - start) as u32 + 1 })
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
