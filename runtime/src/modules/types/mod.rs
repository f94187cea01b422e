//! The types of everything that JavaScript finds here, for the TypeScript compiler.
//!
//! Owns: how the rows' declarations become one text, and those of apps and scripts. Must not know: what they
//! declare.
#![forbid(unsafe_code)]

use super::TABLE;

/// How to use the whole.
const HEAD: &str = include_str!("head.d.ts");

/// Declarations of globals that no row installs.
const GLOBALS: &[&str] =
    &[include_str!("app.d.ts"), include_str!("script.d.ts"), include_str!("global.d.ts")];

/// The text of `jsserve.d.ts`: every module and global, for a `lib` of es2024 or later without "dom".
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    for global in GLOBALS.iter().chain(TABLE.globals.iter().flat_map(|global| global.types)) {
        text.push('\n');
        text.push_str(global);
    }
    for module in TABLE.modules.iter().filter(|module| !module.is_internal()) {
        let (names, files) = (module.names, module.types);
        text.push_str(&format!("\ndeclare module \"{}\" {{\n", names[0]));
        for line in files.iter().flat_map(|file| file.lines()) {
            // In here everything is ambient already.
            let line = line.replacen("declare const", "const", 1);
            text.push_str(if line.is_empty() { "" } else { "  " });
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("}\n");
        for alias in &names[1..] {
            // A star leaves the default export out.
            let has_default = files.iter().any(|file| file.contains("as default"));
            let default = if has_default {
                format!("  export {{ default }} from \"{}\";\n", names[0])
            } else {
                String::new()
            };
            text.push_str(&format!(
                "\ndeclare module \"{alias}\" {{\n  export * from \"{}\";\n{default}}}\n",
                names[0]
            ));
        }
    }
    text
}
