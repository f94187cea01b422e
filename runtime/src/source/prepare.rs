//! A file's source as plain JavaScript: an ECMAScript module or a CommonJS one.
//!
//! Owns: what is done with which file, and that the result is cached. Must not know: how it is done,
//! the engine.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::parser::Parser;
use oxc::span::SourceType;

use super::cache::{Cache, CacheKey};
use super::commonjs;
use super::decorators;
use super::entry;
use super::for_await;
use super::paths::is_in_package;
pub use super::prepared::{Exports, ModuleFormat, Prepared, SourceError};
use super::reexports;
use super::sources::Sources;
use super::transform::{self, Options};

/// The longest source that is looked into.
pub const SOURCE_BYTES_MAX: usize = 64 << 20;

/// Makes plain JavaScript of the `source` of the module `name`. What is plain JavaScript already costs a
/// look at the file's name.
///
/// # Errors
/// What TypeScript or JSX does not parse.
pub fn prepare(sources: &Sources, name: &str, source: Vec<u8>) -> Result<Prepared, SourceError> {
    let prepared = plain(sources, name, source)?;
    if prepared.text.len() > SOURCE_BYTES_MAX || !for_await::may_be_in(&prepared.text) {
        return Ok(prepared);
    }
    let key = CacheKey::of(&[b"for await", &entry::write(&prepared)]);
    get_or(sources.cache(), &key, || Ok(apart(|| for_await::lower(prepared.clone()))))
}

/// What [`prepare`] makes of a text that stands in no file and is JavaScript already.
pub fn unnamed(text: Vec<u8>) -> Prepared {
    let prepared = Prepared { text, ..Prepared::default() };
    match prepared.text.len() <= SOURCE_BYTES_MAX && for_await::may_be_in(&prepared.text) {
        true => apart(|| for_await::lower(prepared.clone())),
        false => prepared,
    }
}

/// Makes JavaScript that the engine can compile of the `source` of the module `name`.
fn plain(sources: &Sources, name: &str, source: Vec<u8>) -> Result<Prepared, SourceError> {
    let path = &*super::names::path(name);
    let mut work = work(path, &source);
    if work == Work::Decorated {
        if let Some(prepared) = decorated(sources, path, &source)? {
            return Ok(prepared);
        }
        work = undecorated(path, &source);
    }
    match work {
        Work::Transform => transformed(sources, path, source),
        Work::Analyse => analysed(sources.cache(), path, source),
        Work::Relink => relinked(sources.cache(), path, source),
        Work::Nothing | Work::Decorated => Ok(Prepared { text: source, ..Prepared::default() }),
    }
}

/// Whether the file at `path`, which has `text`, can be a classic script: TypeScript, JSX, CommonJS and what has
/// decorators are modules.
pub fn is_plain(path: &Path, text: &[u8]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if ["ts", "tsx", "mts", "cts", "jsx", "cjs"].contains(&extension) {
        return false;
    }
    let decorated =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| decorators::are_in_text(text, false));
    text.len() > SOURCE_BYTES_MAX || !decorators::may_be_in(text) || !apart(|| decorated(text))
}

/// The names that a module exports; none where it does not parse.
pub fn exported_names(source: &[u8]) -> Vec<String> {
    let allocator = Allocator::default();
    let text = String::from_utf8_lossy(source);
    let parsed = Parser::new(&allocator, &text, SourceType::mjs()).parse();
    parsed.module_record.exported_bindings.keys().map(|name| name.to_string()).collect()
}

/// What is to be done with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    Transform,
    /// It may have decorators, which the parser tells.
    Decorated,
    Analyse,
    /// It may export what it imports.
    Relink,
}

fn extension(name: &str) -> &str {
    Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default()
}

fn work(name: &str, source: &[u8]) -> Work {
    match extension(name) {
        "ts" | "tsx" | "mts" | "cts" | "jsx" => Work::Transform,
        _ if name.starts_with('<') || source.len() > SOURCE_BYTES_MAX => Work::Nothing,
        _ if decorators::may_be_in(source) => Work::Decorated,
        _ => undecorated(name, source),
    }
}

/// What is to be done with JavaScript.
fn undecorated(name: &str, source: &[u8]) -> Work {
    match extension(name) {
        "cjs" => Work::Analyse,
        _ if name.starts_with('<') || source.len() > SOURCE_BYTES_MAX => Work::Nothing,
        _ if contains(source, commonjs::NODE_ENV.as_bytes()) && is_in_package(name) => Work::Analyse,
        "mjs" => module(source),
        _ if !contains(source, b"exports") && !contains(source, b"require(") => match is_in_package(name) {
            // One that only does something, without a word of a module.
            true if !contains(source, b"import") && !contains(source, b"export") => Work::Analyse,
            _ => module(source),
        },
        _ => Work::Analyse,
    }
}

fn module(source: &[u8]) -> Work {
    if reexports::may_apply(source) { Work::Relink } else { Work::Nothing }
}

fn contains(source: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(source, word).is_some()
}

/// A source as text.
pub(super) fn text(name: &str, source: Vec<u8>) -> Result<String, SourceError> {
    String::from_utf8(source).map_err(|error| SourceError {
        message: format!("'{name}' is not UTF-8 (byte {})", error.utf8_error().valid_up_to()),
        line: 0,
        column: 0,
    })
}

fn transformed(sources: &Sources, name: &str, source: Vec<u8>) -> Result<Prepared, SourceError> {
    let source = text(name, source)?;
    let options = Options::of(sources.packages(), name)?;
    let key = CacheKey::of(&[b"transform", options.to_string().as_bytes(), source.as_bytes()]);
    get_or(sources.cache(), &key, || {
        apart(|| {
            let rewritten = options.without_import_equals(name, &source);
            let source = rewritten.as_deref().unwrap_or(&source);
            let (code, positions) = transform::transform(name, source, &options)?;
            let positions = Some(positions);
            if !name.ends_with(".cts") {
                let code = reexports::rewrite(code);
                return Ok(Prepared { text: code.into_bytes(), format: ModuleFormat::Module, positions });
            }
            let analysed = commonjs::analyse(name, &code);
            Ok(Prepared { positions, ..analysed })
        })
    })
}

/// JavaScript without its decorators; none where it has none, or is not UTF-8.
fn decorated(sources: &Sources, name: &str, source: &[u8]) -> Result<Option<Prepared>, SourceError> {
    let Ok(source) = std::str::from_utf8(source) else { return Ok(None) };
    let is_commonjs = name.ends_with(".cjs");
    if !apart(|| decorators::are_in_text(source, is_commonjs)) {
        return Ok(None);
    }
    let options = Options::of(sources.packages(), name)?;
    let key = CacheKey::of(&[b"decorated", options.to_string().as_bytes(), source.as_bytes()]);
    let make = || {
        let (code, positions) = transform::transform(name, source, &options)?;
        let positions = Some(positions);
        if undecorated(name, source.as_bytes()) == Work::Analyse {
            return Ok(Prepared { positions, ..commonjs::analyse(name, &code) });
        }
        let code = reexports::rewrite(code);
        Ok(Prepared { text: code.into_bytes(), format: ModuleFormat::Module, positions })
    };
    get_or(sources.cache(), &key, || apart(make)).map(Some)
}

/// TypeScript, or JavaScript with decorators, that stands in no file: `name` is in angle brackets. For what does not
/// parse as it is.
///
/// # Errors
/// What is not TypeScript either.
pub fn typed(name: &str, source: &str) -> Result<Prepared, SourceError> {
    let options = Options::typed();
    let (code, positions) = apart(|| transform::transform(name, source, &options))?;
    let prepared =
        Prepared { text: code.into_bytes(), format: ModuleFormat::Module, positions: Some(positions) };
    Ok(apart(|| for_await::lower(prepared.clone())))
}

/// Stack for the parser, which goes as deep as the source: what is not used of it costs nothing.
const STACK_BYTES: usize = 256 << 20;

/// Runs `work` on a stack that suffices, whoever asks.
pub(super) fn apart<T: Send>(work: impl Fn() -> T + Send + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("source".into()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, &work).map(|thread| thread.join()) {
            Ok(Ok(made)) => made,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No memory for it.
            Err(_) => work(),
        }
    })
}

/// What the cache holds for `key`, else what `make` makes, which is stored then.
fn get_or(
    cache: &Cache,
    key: &CacheKey,
    make: impl FnOnce() -> Result<Prepared, SourceError>,
) -> Result<Prepared, SourceError> {
    if let Some(known) = cache.load(key).and_then(|bytes| entry::read(&bytes)) {
        return Ok(known);
    }
    let made = make()?;
    cache.store(key, &entry::write(&made));
    Ok(made)
}

fn analysed(cache: &Cache, name: &str, source: Vec<u8>) -> Result<Prepared, SourceError> {
    let source = text(name, source)?;
    let extension = Path::new(name).extension().unwrap_or_default().to_string_lossy();
    let place = if is_in_package(name) { "package" } else { "app" };
    let node_env = commonjs::node_env();
    let parts = ["analyse", &extension, place, &node_env, &source].map(str::as_bytes);
    get_or(cache, &CacheKey::of(&parts), || apart(|| Ok(commonjs::analyse(name, &source))))
}

fn relinked(cache: &Cache, name: &str, source: Vec<u8>) -> Result<Prepared, SourceError> {
    let source = text(name, source)?;
    get_or(cache, &CacheKey::of(&[b"relink", source.as_bytes()]), || {
        apart(|| {
            Ok(Prepared { text: reexports::rewrite(source.clone()).into_bytes(), ..Prepared::default() })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_javascript_is_left_alone() {
        for (name, source, expected) in [
            ("/app/main.js", "export default {}", Work::Nothing),
            ("/app/main.mjs", "exports.a = 1", Work::Nothing),
            ("/app/main.js", "process.env.NODE_ENV", Work::Nothing),
            ("/app/main.js", "import { a } from './a.js'; export { a }", Work::Relink),
            ("/app/main.mjs", "import { a } from './a.js'; export { a }", Work::Relink),
            ("/app/main.js", "module.exports = 1", Work::Analyse),
            ("/app/main.cjs", "", Work::Analyse),
            ("/app/main.ts", "", Work::Transform),
            ("<cmdline>", "exports.a = require('a')", Work::Nothing),
            ("/app/node_modules/a/a.js", "export default 1", Work::Nothing),
            ("/app/node_modules/a/a.js", "globalThis.a = 1", Work::Analyse),
            ("/app/node_modules/a/a.mjs", "export default process.env.NODE_ENV", Work::Analyse),
        ] {
            assert_eq!(work(name, source.as_bytes()), expected, "{name}: {source}");
        }
    }

    #[test]
    fn a_deep_source_is_no_danger_to_a_small_stack() {
        let depth = 20_000;
        let deep = format!("export const a: any = {}1{};", "[".repeat(depth), "]".repeat(depth));
        let small = std::thread::Builder::new().stack_size(512 << 10);
        let options = Options::default();
        let made = small.spawn(move || apart(|| transform::transform("/a.ts", &deep, &options)));
        let (code, _) = made.expect("a thread").join().expect("no panic").expect("it parses");
        assert!(code.matches('[').count() == depth);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let refusal =
            prepare(&Sources::default(), "/app/a.ts", b"let a = '\xff'".to_vec()).expect_err("not UTF-8");
        assert!(refusal.message.contains("/app/a.ts") && refusal.message.contains("byte 9"), "{refusal}");
    }
}
