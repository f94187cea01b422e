//! A flame graph: folded stacks as a page that needs nothing else, with zoom and search.
//!
//! Owns: how stacks become a tree, the page around it. Must not know: how they were sampled.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The page may run its own scripts and styles, may fetch nothing, and can be saved.
pub(super) const POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src \
     'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";

const PAGE: &str = include_str!("flame.html");

/// A function and what it called.
#[derive(Default)]
struct Node {
    micros: u64,
    children: BTreeMap<String, Node>,
}

/// The page of `stacks`, which were sampled for `seconds`.
pub(super) fn page(stacks: &str, seconds: f64) -> String {
    let mut root = Node::default();
    for (stack, micros) in stacks.lines().filter_map(|line| line.rsplit_once(' ')) {
        let Ok(micros) = micros.parse::<u64>() else { continue };
        let mut node = &mut root;
        node.micros += micros;
        for name in stack.split(';') {
            node = node.children.entry(name.to_owned()).or_default();
            node.micros += micros;
        }
    }
    let mut data = String::new();
    write(&mut data, "all", &root);
    PAGE.replacen("\"DATA\"", &data, 1).replacen("SECONDS", &seconds.to_string(), 1)
}

/// `["name",micros,[children]]`. A name of an app's may not end the script that it stands in.
fn write(out: &mut String, name: &str, node: &Node) {
    out.push_str("[\"");
    for c in name.chars() {
        match c {
            '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c)); // to a String: it cannot fail
            }
            c => out.push(c),
        }
    }
    let _ = write!(out, "\",{},[", node.micros);
    for (at, (name, child)) in node.children.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, name, child);
    }
    out.push_str("]]");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_become_a_tree_and_names_are_only_text() {
        let html = page("a;b 3\na;c 4\na 1\n</script>\"x 2\nno number\n", 2.5);
        assert!(
            html.contains(
                r#"["all",10,[["\u003c/script\u003e\u0022x",2,[]],["a",8,[["b",3,[]],["c",4,[]]]]]]"#
            ),
            "{html}"
        );
        assert!(html.contains("2.5") && !html.contains("\"DATA\""));
    }
}
