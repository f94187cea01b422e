//! Sources of modules before the engine sees them: which file a specifier names, and its text as
//! plain JavaScript.
//!
//! Owns: resolution, TypeScript and JSX, what CommonJS exports, the cache of all that on disk, places
//! in the source for places in what runs. Must not know: the JavaScript engine, whose bytecode is kept in
//! the cache, too. What is remembered from one source to the next is in values of an app.

pub(crate) mod cache;
mod commonjs;
pub mod commonjs_names;
mod decorators;
mod edits;
mod entry;
pub mod exports;
mod for_await;
pub mod identifiers;
mod import_equals;
pub mod import_map;
pub mod importing;
mod lines;
mod marks;
pub mod names;
mod namespaces;
mod packages;
pub mod paths;
pub mod positions;
pub mod prepare;
mod prepared;
mod reexports;
pub mod resolve;
pub mod running;
mod shown;
mod sources;
pub mod subject;
mod transform;

pub use sources::Sources;
