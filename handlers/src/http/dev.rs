//! What development mode answers for a failed handler: a page for browsers, JSON for programs that ask for
//! it, text for all others.
//!
//! Owns: the choice by Accept (RFC 9110 section 12.5.1), the three forms. Must not know: the log, how it is
//! sent.

use std::fmt::Write;

use runtime::app::fetch::{Failure, Head};

use super::status::reason_phrase;

const FOOT: &str = "Shown because the server runs with --dev.";

/// What an answer can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerForm {
    Text,
    Json,
    Html,
}

/// The answer for `failure` of `request`, a method and a target, with `head`: its content type and its text.
pub fn answer(failure: &Failure, head: &dyn Head, request: &str) -> (&'static str, String) {
    let mut accept = Vec::new();
    head.fields(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"accept") {
            accept.push(String::from_utf8_lossy(value).into_owned());
        }
    });
    let shown = ShownError {
        status: failure.status,
        reason: reason_phrase(failure.status),
        request: request.to_owned(),
        text: &failure.text,
        frame: failure.code_frame(),
        stack: &failure.stack,
    };
    match wanted(&accept.join(",")) {
        AnswerForm::Text => ("text/plain;charset=utf-8", shown.text()),
        AnswerForm::Json => ("application/json", shown.json()),
        AnswerForm::Html => ("text/html;charset=utf-8", shown.html()),
    }
}

/// The page of `request` while the app that was read last cannot be served: an error's text, and below it the lines of
/// the source around its place.
pub fn load_failure(error: &str, request: String) -> String {
    let (text, rest) = error.split_once('\n').unwrap_or((error, ""));
    let (frame, stack) = match rest.split_once("\n    at ") {
        Some((frame, stack)) => (frame, format!("    at {stack}")),
        None => (rest, String::new()),
    };
    let frame = (!frame.is_empty()).then(|| frame.to_owned());
    let (status, reason) = (500, reason_phrase(500));
    ShownError { status, reason, request, text, frame, stack: &stack }.html()
}

/// The form that `accept` likes best: the highest quality, then the most exact range, then the first.
fn wanted(accept: &str) -> AnswerForm {
    let mut best = (0.0, 0, AnswerForm::Text);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality: f32 = quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        let (exact, form) = match kind.as_str() {
            "text/html" | "application/xhtml+xml" => (3, AnswerForm::Html),
            "application/json" => (3, AnswerForm::Json),
            "text/plain" => (3, AnswerForm::Text),
            kind if kind.ends_with("+json") => (3, AnswerForm::Json),
            "application/*" => (2, AnswerForm::Json),
            "text/*" => (2, AnswerForm::Text),
            "*/*" => (1, AnswerForm::Text),
            _ => continue,
        };
        if quality > 0.0 && (quality, exact) > (best.0, best.1) {
            best = (quality, exact, form);
        }
    }
    best.2
}

struct ShownError<'a> {
    status: u16,
    reason: &'static str,
    request: String,
    text: &'a str,
    /// The lines of the source around the place, `>` before the one that is meant.
    frame: Option<String>,
    stack: &'a str,
}

impl ShownError<'_> {
    fn text(&self) -> String {
        let mut text = format!("{} {}: {}\n\n{}\n", self.status, self.reason, self.request, self.text);
        for part in [self.frame.as_deref().unwrap_or_default(), self.stack] {
            if !part.is_empty() {
                let _ = write!(text, "\n{part}\n"); // writing to a String cannot fail
            }
        }
        text + "\n" + FOOT + "\n"
    }

    fn json(&self) -> String {
        let stack: Vec<String> = self.stack.lines().map(|line| quoted(line.trim())).collect();
        let frame: Vec<String> = self.frame.iter().flat_map(|frame| frame.lines()).map(quoted).collect();
        let (text, request) = (quoted(self.text), quoted(&self.request));
        format!(
            "{{\"status\":{},\"error\":{text},\"request\":{request},\"stack\":[{}],\"source\":[{}],\"note\":{}}}\n",
            self.status,
            stack.join(","),
            frame.join(","),
            quoted(FOOT)
        )
    }

    fn html(&self) -> String {
        let (status, reason, request) = (self.status, self.reason, escaped(&self.request));
        let (name, message) = match self.text.split_once(": ") {
            Some((name, message)) if is_name(name) => (name, message),
            _ => ("", self.text),
        };
        let title = escaped(&cut(self.text.lines().next().unwrap_or_default()));
        let mut page = format!(
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<body>\n<main>\n<p class=request><b>{status} {reason}</b> <code>{request}</code></p>\n"
        );
        let (name, message) = (escaped(name), escaped(message));
        let name = if name.is_empty() { name } else { format!("<span class=name>{name}</span> ") };
        let _ = writeln!(page, "<h1>{name}{message}</h1>");
        if let Some(frame) = &self.frame {
            page.push_str(&source(frame));
        }
        if !self.stack.is_empty() {
            page.push_str("<h2>Stack</h2>\n<ol class=stack>\n");
            for line in self.stack.lines() {
                page.push_str(&stack_line(line));
            }
            page.push_str("</ol>\n");
        }
        let _ = writeln!(page, "<p class=foot>{FOOT}</p>\n</main>\n</body>\n</html>");
        page
    }
}

/// A code frame: its first line names the place.
fn source(frame: &str) -> String {
    let mut lines = frame.lines();
    let place = escaped(lines.next().unwrap_or_default().trim());
    let mut html = format!("<figure>\n<figcaption>{place}</figcaption>\n<pre>");
    for line in lines {
        let class = match line.as_bytes().first() {
            Some(b'>') => "at",
            _ if line.trim_start().starts_with('|') => "mark",
            _ => "near",
        };
        let _ = writeln!(html, "<span class={class}>{}</span>", escaped(line));
    }
    html + "</pre>\n</figure>\n"
}

/// A frame of the stack: what is called stands out, and frames without a file of the app's do not.
fn stack_line(line: &str) -> String {
    let text = line.trim();
    let Some(call) = text.strip_prefix("at ") else {
        return format!("<li class=note>{}</li>\n", escaped(text));
    };
    let (what, place) = match call.strip_suffix(')').and_then(|call| call.rsplit_once(" (")) {
        Some((what, place)) => (what, place),
        None => ("", call),
    };
    let class = if place.starts_with('/') && !place.contains("/node_modules/") { "own" } else { "far" };
    let what = if what.is_empty() { "(module)" } else { what };
    format!("<li class={class}><b>{}</b> <span>{}</span></li>\n", escaped(what), escaped(place))
}

/// Whether a text's start names a class of errors.
fn is_name(text: &str) -> bool {
    text.ends_with("Error") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(100).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            // The last two end lines in old JavaScript.
            '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

const STYLE: &str = "
:root{color-scheme:light dark;--back:#f7f7f8;--card:#fff;--text:#1d1d22;--dim:#6a6a75;--line:#e1e1e6;--red:#c01c28;--glow:#c01c2814}
@media(prefers-color-scheme:dark){:root{--back:#17171a;--card:#202024;--text:#ececf0;--dim:#9a9aa6;--line:#35353c;--red:#ff7b72;--glow:#ff7b7222}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;border-top:4px solid var(--red)}
main{max-width:64rem;margin:0 auto;padding:2rem 1.25rem 3rem}
code,pre,.stack{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875rem}
.request{margin:0;color:var(--dim)}
.request code{margin-left:.5rem;overflow-wrap:anywhere}
h1{margin:.5rem 0 1.5rem;font-size:1.5rem;line-height:1.3;font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere}
h1 .name{color:var(--red)}
h2{margin:1.75rem 0 .5rem;font-size:.875rem;font-weight:600;color:var(--dim)}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
figcaption{padding:.6rem 1rem;border-bottom:1px solid var(--line);color:var(--dim);font-size:.875rem;overflow-wrap:anywhere}
pre{margin:0;padding:.75rem 0;overflow-x:auto;line-height:1.6;tab-size:4}
pre span{display:inline-block;min-width:100%;padding:0 1rem}
pre .near{color:var(--dim)}
pre .at{background:var(--glow)}
pre .mark{background:var(--glow);color:var(--red);font-weight:700}
.stack{margin:0;padding:.5rem 0;list-style:none;background:var(--card);border:1px solid var(--line);border-radius:8px}
.stack li{padding:.25rem 1rem;overflow-wrap:anywhere}
.stack span,.stack .far,.stack .note{color:var(--dim)}
.stack .far b{font-weight:400}
.foot{margin:2rem 0 0;color:var(--dim);font-size:.875rem}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_accept_likes_best() {
        for (accept, form) in [
            ("", AnswerForm::Text),
            ("*/*", AnswerForm::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", AnswerForm::Html),
            ("application/json", AnswerForm::Json),
            ("application/json, text/plain, */*", AnswerForm::Json),
            ("text/plain, application/json", AnswerForm::Text),
            ("application/json;q=0.5, text/html;q=0.4", AnswerForm::Json),
            ("application/problem+json", AnswerForm::Json),
            ("text/html;q=0", AnswerForm::Text),
            ("text/html;q=0, application/json;q=0.1", AnswerForm::Json),
            ("*/*, text/html", AnswerForm::Html),
            ("text/*", AnswerForm::Text),
            ("application/*", AnswerForm::Json),
            ("image/png", AnswerForm::Text),
            ("TEXT/HTML; Q=0.3", AnswerForm::Html),
            (";;,,q=", AnswerForm::Text),
        ] {
            assert_eq!(wanted(accept), form, "{accept:?}");
        }
    }

    const EVIL: &str = "Error: </title><script>alert(1)</script>\"'&";

    fn shown() -> ShownError<'static> {
        ShownError {
            status: 500,
            reason: "Internal Server Error",
            request: "GET /<script>'".into(),
            text: EVIL,
            frame: Some("  /a/<b>.ts:2:3\n     1 | let <i>\n>    2 | throw \"<u>\"\n       |   ^".into()),
            stack: "    at <s> (/a/<b>.ts:2:3)\n    at native <q>\nCaused by: <p>",
        }
    }

    #[test]
    fn everything_in_the_page_is_escaped() {
        let page = shown().html();
        let (_, body) = page.split_once("</style>").expect("a style");
        for tag in ["<script", "<b>.ts", "<i>", "<u>", "<s>", "<q>", "<p>", "\"<", "'<"] {
            assert!(!body.contains(tag), "{tag} in {body}");
        }
        assert!(!page.contains("</title><script"), "{page}");
        assert!(body.contains("<span class=at>&gt;    2 | throw &quot;&lt;u&gt;&quot;</span>"), "{body}");
    }

    #[test]
    fn the_json_is_json_whatever_the_texts_are() {
        assert_eq!(quoted("a\"\\\n\t\u{1}\u{2028}é"), "\"a\\\"\\\\\\n\\t\\u0001\\u2028é\"");
        let json = shown().json();
        assert!(json.starts_with("{\"status\":500,\"error\":\"Error: </title>"), "{json}");
        assert!(json.contains("\"stack\":[\"at <s> (/a/<b>.ts:2:3)\",\"at native <q>\","), "{json}");
        assert!(json.contains(",\">    2 | throw \\\"<u>\\\"\","), "{json}");
    }
}
