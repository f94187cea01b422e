//! Names of files in a site: what they say about who may see a file.
//!
//! Owns: the names that are never served, the endings of sources, folders of files for browsers. Must not know: which
//! files there are.

/// Folders whose files are for browsers: a module there that only has a default export is a browser's.
const FOR_BROWSERS: [&str; 3] = ["assets", "public", "static"];
/// Folders that builds of frameworks write for browsers, though an underscore begins their names.
const BUILT: [&str; 6] = ["_app", "_astro", "_build", "_expo", "_next", "_nuxt"];
/// Files that are about the site, or of it, and not for its visitors.
const PRIVATE: [&str; 16] = [
    "bun.lock",
    "bun.lockb",
    "cgi-bin",
    "deno.json",
    "deno.jsonc",
    "deno.lock",
    "jsconfig.json",
    "jsserve.toml",
    "node_modules",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "tsconfig.json",
    "yarn.lock",
];
/// What copies that editors leave end in.
const COPIES: [&str; 5] = ["~", ".bak", ".orig", ".save", ".swp"];
/// Endings of sources that no browser runs.
const FOR_SERVERS: [&str; 5] = ["ts", "tsx", "mts", "cts", "jsx"];
/// Endings of files that may be routes; of two files for one path the one with the earlier ending counts.
const SOURCES: [&str; 6] = ["ts", "tsx", "mts", "jsx", "js", "mjs"];

/// Whether a name says that nobody sees the file, or anything in the folder: `rel` is its path from the site's folder.
/// Compared without case, for there are file systems that do not tell cases apart.
pub fn is_private(rel: &str) -> bool {
    let lower = rel.to_ascii_lowercase();
    let mut segments = lower.split('/').filter(|segment| !segment.is_empty()).peekable();
    let (mut at, mut for_browsers) = (0, false);
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        // RFC 8615.
        let is_hidden = segment.starts_with('.') && (at > 0 || segment != ".well-known");
        let is_own = segment.starts_with('_') && (is_last || !BUILT.contains(&segment));
        if is_hidden || is_own || PRIVATE.contains(&segment) {
            return true;
        }
        // A segment of a transport stream ends in .ts, too.
        if is_last && !for_browsers {
            let name = COPIES.iter().find_map(|ending| segment.strip_suffix(ending)).unwrap_or(segment);
            let is_copy = name.len() < segment.len();
            let is_source = ending(name).is_some_and(|ending| FOR_SERVERS.contains(&ending));
            if is_source || is_copy && ending(name).is_some_and(|ending| SOURCES.contains(&ending)) {
                return true;
            }
        }
        for_browsers |= !is_last && FOR_BROWSERS.contains(&segment);
        at += 1;
    }
    false
}

/// Whether a folder is looked into for routes.
pub(super) fn has_routes(folder: &str) -> bool {
    let lower = folder.to_ascii_lowercase();
    !lower.starts_with(['.', '_']) && !PRIVATE.contains(&lower.as_str())
}

/// Whether the file at `rel` is in a folder of files for browsers.
pub(super) fn is_for_browsers(rel: &str) -> bool {
    let folders = rel.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|name| FOR_BROWSERS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// The name of a source without its ending, and the place of that among [`SOURCES`]; none for other files and for
/// declarations of types.
pub(super) fn source(name: &str) -> Option<(&str, usize)> {
    let (stem, ending) = name.rsplit_once('.')?;
    let rank = SOURCES.iter().position(|known| *known == ending)?;
    (!stem.is_empty() && !stem.ends_with(".d")).then_some((stem, rank))
}

/// Whether the file may be a route by its name, or a script of a browser's: only its text can tell.
pub fn is_script(rel: &str) -> bool {
    ending(rel).is_some_and(|ending| ending.eq_ignore_ascii_case("js") || ending.eq_ignore_ascii_case("mjs"))
}

fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}

/// The folders that a path of a request leads through, by their own names: the site's, which is empty, first. As many
/// as can be decoded.
pub(super) fn folders_of(path: &str) -> Vec<String> {
    let mut folders = vec![String::new()];
    let mut rest = path.strip_prefix('/').unwrap_or_default();
    // The last may be a folder, too, whose page is asked for.
    while !rest.is_empty() {
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(name) = decoded(segment).filter(|name| !name.is_empty()) else { break };
        let above = folders.last().map_or("", String::as_str);
        folders.push(if above.is_empty() { name } else { format!("{above}/{name}") });
        rest = after;
    }
    folders
}

/// The site's folder and all down to `folder`.
pub(super) fn chain(folder: &str) -> Vec<String> {
    let ends = folder.match_indices('/').map(|(at, _)| at);
    let inner = ends.chain([folder.len()]).map(|end| folder[..end].to_owned());
    let inner = inner.filter(|folder| !folder.is_empty());
    std::iter::once(String::new()).chain(inner).collect()
}

/// A segment of a path without percent-encoding; none where that is none, or gives no text.
pub(super) fn decoded(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_site_is_nobodys_to_see() {
        for rel in [
            "_middleware.js",
            "_redirects",
            "_HEADERS",
            "a/_error.ts",
            "_lib/db.js",
            ".env",
            ".env.local",
            "a/.git/config",
            "a/.well-known/x",
            "node_modules/a/index.js",
            "Node_Modules/a/x.css",
            "package.json",
            "sub/Package.JSON",
            "jsserve.toml",
            "tsconfig.json",
            "cgi-bin/x.py",
            "about.ts",
            "about.TS",
            "x/[id].tsx",
            "about.ts~",
            "about.js.bak",
            "_next",
        ] {
            assert!(is_private(rel), "{rel}");
        }
        for rel in [
            "",
            "index.html",
            "app.js",
            "a/b.mjs",
            "_next/static/chunks/main.js",
            "_astro/x.css",
            ".well-known/security.txt",
            "assets/film.ts",
            "notes.bak",
            "my_file.txt",
        ] {
            assert!(!is_private(rel), "{rel}");
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decoded("a%2Fb%20%C3%A9%2525").as_deref(), Some("a/b \u{e9}%25"));
        for wrong in ["%", "%a", "%zz", "%ff", "%00"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
        assert_eq!(folders_of("/a/%62/c.html"), ["", "a", "a/b", "a/b/c.html"]);
        assert_eq!(folders_of("//a"), [""]);
        assert_eq!(chain("a/b"), ["", "a", "a/b"]);
        assert_eq!(chain(""), [""]);
    }
}
