//! The crate from outside: one program of tests, a module for each subject.
//!
//! Owns: the list of subjects. Must not know: what a subject tests.

mod differential;
mod h1;
