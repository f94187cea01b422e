//! Places and candidates, one by one.
//!
//! Owns: small sources. Must not know: the engine.

use super::*;

#[test]
fn what_is_surely_a_function_is_no_candidate() {
    let texts = |source: &str, at: u32| {
        let found = find(source, at, Act::Call, &|path| path == ["print"]);
        found.into_iter().filter_map(|about| about.text).collect::<Vec<_>>()
    };
    assert_eq!(texts("print(o.save(x))", 13), ["o.save"]);
    assert_eq!(texts("const f = () => 1; f(o.save(x))", 28), ["o.save"]);
    assert_eq!(texts("let print; print(o.save(x))", 24), ["o.save", "print"]);
    assert_eq!(texts("throw TypeError(o)", 16), [""; 0]);
}
