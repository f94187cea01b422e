//! QuickJS's modules `std` and `os`, and `print`.
//!
//! Owns: the rooms; `tests/tidy.rs` has their order. Must not know: the modules of our own.

pub mod os;
pub mod print;
pub mod std;
