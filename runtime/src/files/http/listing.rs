//! The page that lists a folder.
//!
//! Owns: its HTML, in which no name is anything but text. Must not know: how the folder is read.

use std::fmt::Write as _;

use super::conditions::date_text;

/// Entries that one page shows; beyond, it says that there are more.
pub const ITEMS_MAX: usize = 10_000;

/// Its only style is its own, and nothing else is loaded.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'self'";

/// An entry of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name, as the file system has it.
    pub name: Vec<u8>,
    /// It is a folder.
    pub is_folder: bool,
    /// Its bytes.
    pub size: u64,
    /// When it was changed, in seconds since 1970.
    pub modified_s: u64,
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #667080; --line: #e6e9ee; --ground: #fbfcfd; --card: #fff;
  --link: #0b57d0; --hover: #f2f6fc }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #98a2b3; --line: #2b3138; --ground: #14171a;
  --card: #1b1f24; --link: #8ab4f8; --hover: #232931 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2.5rem 1.25rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: auto }
h1 { font-size: 1.25rem; font-weight: 600; margin: 0 0 1.25rem; overflow-wrap: anywhere }
h1 a { color: inherit } h1 span { color: var(--soft); font-weight: 400; margin: 0 .3em }
a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden }
th { text-align: left; font-size: .8rem; font-weight: 500; color: var(--soft) }
th, td { padding: .5rem 1rem; border-bottom: 1px solid var(--line) } tr:last-child td { border-bottom: 0 }
tbody tr:hover { background: var(--hover) }
td:first-child { overflow-wrap: anywhere; width: 99% }
.n, .t { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums } .n { text-align: right }
.d a { font-weight: 600 } p { color: var(--soft); font-size: .85rem; margin: .9rem .2rem }
@media (max-width: 34rem) { .t { display: none } body { padding: 1rem .6rem } }
";

/// The page for the folder that is shown under `path`, which is decoded, and begins and ends with a slash. `items` are
/// in the order of a folder's reading.
pub fn page(path: &[u8], mut items: Vec<Item>, has_more: bool) -> String {
    items.sort_by(|a, b| {
        b.is_folder.cmp(&a.is_folder).then_with(|| {
            a.name.to_ascii_lowercase().cmp(&b.name.to_ascii_lowercase()).then_with(|| a.name.cmp(&b.name))
        })
    });
    let mut html = String::with_capacity(4096 + items.len() * 160);
    let title = escaped(path);
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{}</h1>\n<table>\n<thead><tr><th scope=\"col\">Name</th>\
         <th scope=\"col\" class=\"n\">Size</th><th scope=\"col\" class=\"t\">Modified</th></tr></thead>\n<tbody>\n",
        trail(path)
    );
    if path != b"/" {
        html.push_str("<tr class=\"d\"><td><a href=\"../\">../</a></td><td class=\"n\"></td><td class=\"t\"></td></tr>\n");
    }
    for item in &items {
        let slash = if item.is_folder { "/" } else { "" };
        let size = if item.is_folder { String::new() } else { size_text(item.size) };
        let _ = writeln!(
            html,
            "<tr{}><td><a href=\"./{}{slash}\">{}{slash}</a></td><td class=\"n\" title=\"{} bytes\">{size}</td>\
             <td class=\"t\">{}</td></tr>",
            if item.is_folder { " class=\"d\"" } else { "" },
            encoded(&item.name),
            escaped(&item.name),
            item.size,
            short_date(item.modified_s),
        );
    }
    html.push_str("</tbody>\n</table>\n");
    let folders = items.iter().filter(|item| item.is_folder).count();
    let (files, more) = (items.len() - folders, if has_more { ", and more that are not shown" } else { "" });
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = write!(
        html,
        "<p>{folders} folder{}, {files} file{}{more}</p>\n</main>\n</body>\n</html>\n",
        plural(folders),
        plural(files)
    );
    html
}

/// The way to the folder, each step a link.
fn trail(path: &[u8]) -> String {
    let steps: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|step| !step.is_empty()).collect();
    let up = |depth: usize| if depth == 0 { "./".to_owned() } else { "../".repeat(depth) };
    let mut html = format!("<a href=\"{}\">/</a>", up(steps.len()));
    for (number, step) in steps.iter().enumerate() {
        let separator = if number == 0 { " " } else { "<span>/</span>" };
        let _ = write!(html, "{separator}<a href=\"{}\">{}</a>", up(steps.len() - number - 1), escaped(step));
    }
    html
}

/// `text` as HTML shows it; what is no UTF-8 becomes U+FFFD.
fn escaped(text: &[u8]) -> String {
    let mut html = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

/// `name` as a segment of a URL.
fn encoded(name: &[u8]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    const KEPT: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encode(name, KEPT).to_string()
}

fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(size < 99.95);
    format!("{size:.digits$} {}", UNITS[unit])
}

/// `06 Nov 1994 08:49`, in GMT.
fn short_date(unix_s: u64) -> String {
    let text = date_text(unix_s);
    text.get(5..22).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, is_folder: bool) -> Item {
        Item { name: name.into(), is_folder, size: 1536, modified_s: 784_111_777 }
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let names =
            ["<script>alert(1)</script>", "\" onclick=\"x", "javascript:x", "a&b", "100%.txt", "d\u{e9}"];
        let page = page(b"/<b>/", names.map(|name| item(name, false)).to_vec(), false);
        assert!(!page.contains("<script") && !page.contains("\" onclick") && !page.contains("<b>"), "{page}");
        assert!(page.contains("href=\"./javascript%3Ax\""), "{page}");
        assert!(page.contains("href=\"./100%25.txt\">100%.txt<"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;</a>"), "{page}");
        assert!(page.contains("href=\"./d%C3%A9\""), "{page}");
        assert!(page.contains("<td class=\"t\">06 Nov 1994 08:49</td>"), "{page}");
        assert!(page.contains("0 folders, 6 files"), "{page}");
    }

    #[test]
    fn folders_come_first_and_the_root_has_no_way_up() {
        let items = vec![item("b", false), item("A", false), item("z", true)];
        let page = page(b"/", items, true);
        let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is not in {page}"));
        assert!(place("./z/") < place("./A") && place("./A") < place("./b"));
        assert!(!page.contains("../") && page.contains("and more that are not shown"));
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (150 << 10, "150 KiB"),
            (1023 << 10, "1.0 MiB"),
            (10 << 20, "10.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
