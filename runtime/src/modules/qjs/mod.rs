//! QuickJS's modules `std` and `os`, `print`, and for whom an engine runs.
//!
//! Owns: the rooms; `tests/tidy.rs` has their order. Must not know: the modules of our own.

pub mod os;
pub mod print;
pub mod std;
