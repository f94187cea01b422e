//! The JavaScript that is part of the program: formatted, linted, and right in its types.
//!
//! Owns: which tools look at it. Must not know: what it does. What only text can tell is in `tests/tidy/scripts.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, App, packages};

/// What `.ci/run` installs.
const BIOME: &str = "@biomejs/biome@2.6.8";
const TYPESCRIPT: &str = "typescript@7.0.2";

/// The program `name` of `package` in a folder of `target`; none where it is not installed.
fn tool(test: &str, folder: &str, package: &str, name: &str) -> Option<PathBuf> {
    let installed = packages::target(folder).join("node_modules");
    if !packages::has(&installed, &[package]) {
        support::skip(test, &format!("npm install --prefix target/{folder} {package}"));
        return None;
    }
    Some(installed.join(".bin").join(name))
}

/// Fails with what `tool` says of `folder`.
fn check(tool: &Path, words: &[&str], folder: &Path) {
    let output = Command::new(tool).args(words).current_dir(folder).output().expect("run the tool");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "\n{}{}", text(&output.stdout), text(&output.stderr));
}

fn runtime() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/runtime"))
}

#[test]
fn embedded_modules_are_formatted_and_without_lint() {
    let Some(biome) = tool("the format of embedded modules", "biome", BIOME, "biome") else { return };
    check(&biome, &["check", "--error-on-warnings", "."], runtime());
}

#[test]
fn embedded_modules_are_right_in_their_types() {
    let test = "the types of embedded modules";
    let Some(tsc) = tool(test, "typescript", TYPESCRIPT, "tsc") else { return };
    check(&tsc, &["--project", "tsconfig.json"], runtime());
    // It does look at them, and at what Rust gives them.
    let wrong = "/* */\nimport { typeError, nothing } from 'jsserve:internal/webidl/natives';\ntypeError(nothing, 1);\n";
    let config = format!(
        r#"{{ "extends": {:?}, "include": ["wrong.js", {:?}] }}"#,
        runtime().join("tsconfig.json"),
        runtime().join("src/**/natives.d.ts")
    );
    let project = App::with_files("tsconfig.json", &[("tsconfig.json", &config), ("wrong.js", wrong)]);
    let output = Command::new(tsc).arg("--project").arg(project.path()).output().expect("run tsc");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("TS2305") && text.contains("TS2554"), "{text}");
}
