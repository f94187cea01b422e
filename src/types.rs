//! `jsserve types`: the declarations for the TypeScript compiler.
//!
//! Owns: nothing but the hand-over. Must not know: what is declared.

/// The text of `jsserve.d.ts`.
pub fn text() -> String {
    runtime::modules::types::text()
}
