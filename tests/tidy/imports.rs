//! Which file imports which, read from the text, and the circles among them.
//!
//! Owns: the reading of paths, the graph of each folder. Must not know: which circles and orders there
//! are to be (`tidy.rs` does). Test modules at the end of a file are not read.

use std::collections::{BTreeMap, BTreeSet};

/// A module by its names from the crate's root.
type Module = Vec<String>;
/// For each folder, which of its files and folders imports which others.
pub type Graphs = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Splits code into names, `::` and single characters; comments and literals are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut all, mut at) = (Vec::new(), 0);
    let at_text =
        |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    while at < chars.len() {
        let c = chars[at];
        if at_text(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == 'r' && (at_text(at, "r\"") || at_text(at, "r#")) {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            at += hashes + 2;
            while at < chars.len() && !at_text(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if c == '\'' {
            let quoted = if chars.get(at + 1) == Some(&'\\') { 3 } else { 2 };
            at += if chars.get(at + quoted) == Some(&'\'') { quoted + 1 } else { 1 };
        } else if c.is_alphanumeric() || c == '_' {
            let begin = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            all.push(chars[begin..at].iter().collect());
        } else if at_text(at, "::") {
            all.push("::".into());
            at += 2;
        } else {
            if !c.is_whitespace() {
                all.push(c.into());
            }
            at += 1;
        }
    }
    all
}

/// Reads the tree of a `use` from `at` on, below `above`; where it ends.
fn use_tree(tokens: &[String], mut at: usize, above: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = above.to_vec();
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at = use_tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token != "}"));
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => at += 2,
            "::" | "*" => at += 1,
            name => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
    found.push(path);
    at
}

/// All paths that the code names: those of imports, and those written out.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let tokens = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    let is_name = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token: &String| token.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    while at < tokens.len() {
        // `use<'a>` says what an opaque type captures.
        if tokens[at] == "use" && tokens.get(at + 1).is_none_or(|token| token != "<") {
            at = use_tree(&tokens, at + 1, &[], &mut found);
        } else if is_name(at) && tokens.get(at + 1).is_some_and(|token| token == "::") {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|token| token == "::") && is_name(at + 2) {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            found.push(path);
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// The module that `path` names where it stands in `here`; none for another crate's, or a type of its own.
fn resolve(here: &Module, path: &[String], all: &BTreeSet<Module>) -> Option<Module> {
    let mut at = here.clone();
    let mut rest = path;
    match rest.first().map(String::as_str)? {
        "crate" => (at, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {}
        child => {
            at.push(child.to_owned());
            all.contains(&at).then_some(())?;
            rest = &rest[1..];
        }
    }
    for name in rest {
        if name == "super" {
            at.pop()?;
            continue;
        }
        at.push(name.clone());
        if !all.contains(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

fn module(path: &str) -> Module {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let path = if ["lib", "main"].contains(&path) { "" } else { path };
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The graphs of all folders below `source` ("runtime/src/"), from `files`, path and text each. A folder's
/// `mod.rs` and what lies below it belong together: imports between a module and its own parts are no edge.
pub fn graphs(source: &str, files: &[(String, String)]) -> Graphs {
    let of_crate =
        || files.iter().filter_map(|(path, text)| Some((module(path.strip_prefix(source)?), text)));
    let all: BTreeSet<Module> = of_crate().map(|(module, _)| module).collect();
    let mut graphs = Graphs::new();
    for (here, text) in of_crate() {
        for there in paths(text).iter().filter_map(|path| resolve(&here, path, &all)) {
            let shared = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
            if shared < here.len() && shared < there.len() {
                let folder = format!("{source}{}", here[..shared].join("/"));
                let graph = graphs.entry(folder.trim_end_matches('/').to_owned()).or_default();
                graph.entry(here[shared].clone()).or_default().insert(there[shared].clone());
            }
        }
    }
    graphs
}

/// The circles of a graph: sets of those that reach each other.
pub fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = graph.get(from).into_iter().flatten().collect();
        while let Some(at) = open.pop() {
            if reached.insert(at.clone()) {
                open.extend(graph.get(at).into_iter().flatten());
            }
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|from| (from, reached(from))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, reached) in all.iter().filter(|(from, reached)| reached.contains(**from)) {
        let circle = reached.iter().filter(|to| all.get(to).is_some_and(|back| back.contains(*from)));
        let circle: BTreeSet<String> = circle.cloned().collect();
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}
