//! What to write in the place of a global of other runtimes that is not there.
//!
//! Owns: the names and the advice. Must not know: who shows it.

/// The advice for an exception whose text is `text`.
pub fn of(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix("ReferenceError: ")?.strip_suffix(" is not defined")?;
    Some(match name {
        "process" => {
            "environment variables are in env, the second argument of fetch, or std.getenv(name) of the module \
             'std'; arguments are in scriptArgs; std.exit(code) ends a script"
        }
        "require" => {
            "import x from \"x\" loads a module; require is there in CommonJS files (.cjs, and packages)"
        }
        "module" | "exports" => {
            "export default value, or export const name = value; CommonJS files are called .cjs"
        }
        "__dirname" => "import.meta.dirname is the module's folder",
        "__filename" => "import.meta.filename is the module's file",
        "Buffer" => {
            "Uint8Array has the bytes, TextEncoder and TextDecoder the text, Uint8Array.fromBase64 and toBase64, \
             fromHex and toHex the encodings"
        }
        "Bun" => {
            "export default { fetch(request) { ... } } is a server; files are in the modules 'std' and 'os'"
        }
        "Deno" => {
            "export default { fetch(request) { ... } } is a server; files are in the modules 'std' and 'os'; \
             variables in env, the second argument of fetch, or std.getenv(name)"
        }
        "global" => "globalThis is the global object",
        "setImmediate" => "setTimeout(f, 0) runs f in a later turn, queueMicrotask(f) in this one",
        "clearImmediate" => "clearTimeout ends what setTimeout(f, 0) began",
        "window" | "document" | "localStorage" => "there is no page here; globalThis is the global object",
        "XMLHttpRequest" => "fetch(url) is the HTTP client",
        "WebSocket" | "Intl" => "it is not there yet",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_of_other_runtimes_have_a_hint_and_other_names_none() {
        for name in ["process", "require", "Buffer", "Bun", "Deno", "__dirname"] {
            assert!(of(&format!("ReferenceError: {name} is not defined")).is_some(), "{name}");
        }
        for text in
            ["ReferenceError: proces is not defined", "TypeError: process is not defined", "Error: Bun"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
