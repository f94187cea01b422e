//! What RFC 9110 says of files: conditions, ranges, codings, types, caches; and the page that lists a folder.
//!
//! Owns: the rules, as functions of texts and numbers. Must not know: files, connections, JavaScript.

pub mod asked;
pub mod codings;
pub mod conditions;
pub mod kinds;
pub mod listing;
pub mod ranges;
