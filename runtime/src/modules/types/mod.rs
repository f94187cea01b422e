//! The types of everything that JavaScript finds here, for the TypeScript compiler.
//!
//! Owns: the order of the rooms' `.d.ts` files and the names that modules are declared under. Must
//! not know: what they declare.
#![forbid(unsafe_code)]

/// How to use the whole.
const HEAD: &str = include_str!("head.d.ts");

/// Declarations of globals.
const GLOBALS: &[&str] = &[
    include_str!("app.d.ts"),
    include_str!("script.d.ts"),
    include_str!("global.d.ts"),
    include_str!("../web/abort/abort.d.ts"),
    include_str!("../web/blob/blob.d.ts"),
    include_str!("../web/console/console.d.ts"),
    include_str!("../web/crypto/crypto.d.ts"),
    include_str!("../web/crypto/subtle.d.ts"),
    include_str!("../web/encoding/encoding.d.ts"),
    include_str!("../web/errors/errors.d.ts"),
    include_str!("../web/events/events.d.ts"),
    include_str!("../web/fetch/fetch.d.ts"),
    include_str!("../web/form_data/form_data.d.ts"),
    include_str!("../web/locks/locks.d.ts"),
    include_str!("../web/messaging/messaging.d.ts"),
    include_str!("../web/performance/performance.d.ts"),
    include_str!("../web/streams/streams.d.ts"),
    include_str!("../web/structured_clone/structured_clone.d.ts"),
    include_str!("../web/timers/timers.d.ts"),
    include_str!("../web/url/url.d.ts"),
    include_str!("../web/url_pattern/url_pattern.d.ts"),
];

/// What a module exports, under its first name; the other names stand for it.
struct Declared {
    names: &'static [&'static str],
    files: &'static [&'static str],
}

const MODULES: &[Declared] = &[
    Declared {
        names: &["qjs:os", "os"],
        files: &[
            include_str!("../qjs/os/os.d.ts"),
            include_str!("../qjs/os/system.d.ts"),
            include_str!("../qjs/os/constants.d.ts"),
        ],
    },
    Declared {
        names: &["sockets", "cloudflare:sockets"],
        files: &[include_str!("../own/sockets/sockets.d.ts")],
    },
    Declared { names: &["qjs:std", "std"], files: &[include_str!("../qjs/std/std.d.ts")] },
    Declared { names: &["jsserve:shared"], files: &[include_str!("../own/shared/shared.d.ts")] },
];

/// The text of `jsserve.d.ts`: every module and global, for a `lib` of es2024 or later without "dom".
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    for global in GLOBALS {
        text.push('\n');
        text.push_str(global);
    }
    for Declared { names, files } in MODULES {
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
