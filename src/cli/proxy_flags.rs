//! The flags of the reverse proxy, and the tables `[[proxy]]` of jsserve.toml.
//!
//! Owns: `/PATH=URL`, the keys of a table, which limit each flag sets. Must not know: how requests are sent on.

use std::path::{Path, PathBuf};

use runtime::config::{Limits, ProxyHost, ProxyRule, UpstreamAddress};
use runtime::error::{Error, Result};
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::places::{SettingsText, article};
use super::values::{Span, count};

const FORM: &str = "Write /PATH=URL, as /api=http://127.0.0.1:3000, several URLs with commas, unix:PATH for a Unix socket; \
     behind it ?strip takes the path away, ?host=upstream changes Host.";

/// Requests that other servers answer.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Reverse proxy")]
pub struct ProxyFlags {
    /// Send requests below /PATH on to the server of URL (http, https, unix:PATH), or of several with commas, in turn. ?strip
    /// behind it takes the path away. May be repeated: the longest path counts. `[[proxy]]` in jsserve.toml has more
    #[arg(long = "proxy", id = "proxy", value_name = "/PATH=URL")]
    pub rules: Vec<String>,

    /// Connecting to an upstream, TLS included; beyond: the next one, or 504
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().proxy_connect_ms_max))]
    pub proxy_connect_timeout: Span,

    /// From a request, or the last of its body, to the head of the upstream's answer; beyond: the next one, or 504
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().proxy_head_ms_max))]
    pub proxy_head_timeout: Span,

    /// Answer of an upstream that sends nothing; beyond: it is cut
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().proxy_stall_ms_max))]
    pub proxy_stall_timeout: Span,

    /// WebSocket to an upstream without a byte either way; beyond: it is cut
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().proxy_tunnel_ms_max))]
    pub proxy_tunnel_timeout: Span,

    /// Connections of one worker to one upstream; beyond: requests wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().proxy_connections_max, value_parser = count)]
    pub proxy_connections_max: usize,
}

impl ProxyFlags {
    /// The rules of the flags.
    ///
    /// # Errors
    /// `Usage` for what is no rule.
    pub fn rules(&self) -> Result<Vec<ProxyRule>> {
        let rule = |text: &String| {
            rule(text).map_err(|why| Error::of_flag("proxy", format!("{text}: {why}")).remedy(FORM))
        };
        self.rules.iter().map(rule).collect()
    }

    /// `limits` with what the flags say.
    pub fn limit(&self, limits: Limits) -> Limits {
        Limits {
            proxy_connect_ms_max: self.proxy_connect_timeout.0,
            proxy_head_ms_max: self.proxy_head_timeout.0,
            proxy_stall_ms_max: self.proxy_stall_timeout.0,
            proxy_tunnel_ms_max: self.proxy_tunnel_timeout.0,
            proxy_connections_max: self.proxy_connections_max,
            ..limits
        }
    }
}

/// `/PATH=URL,URL?strip&host=NAME`.
fn rule(text: &str) -> std::result::Result<ProxyRule, String> {
    let (path, rest) = text.split_once('=').ok_or("there is no = between path and URL")?;
    let (urls, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut rule = ProxyRule { path: prefix(path)?, ..ProxyRule::default() };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            None if option == "strip" => rule.strip = true,
            Some(("host", host)) => rule.host = Some(proxy_host(host)?),
            _ => return Err(format!("{option} is no option")),
        }
    }
    for url in urls.split(',') {
        add_upstream(&mut rule, url)?;
    }
    Ok(rule)
}

/// A prefix of paths without the slash at its end.
fn prefix(path: &str) -> std::result::Result<String, String> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |step: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;:@%".contains(&b);
        !matches!(step, "" | "." | "..") && step.bytes().all(known)
    };
    let is_prefix = path.starts_with('/') && (trimmed.is_empty() || trimmed[1..].split('/').all(is_plain));
    if is_prefix { Ok(trimmed.to_owned()) } else { Err(format!("{path:?} is no path that begins with /")) }
}

fn add_upstream(rule: &mut ProxyRule, url: &str) -> std::result::Result<(), String> {
    if let Some(path) = url.strip_prefix("unix:") {
        if !path.starts_with('/') && path.is_empty() {
            return Err("a Unix socket has a path".into());
        }
        rule.upstreams.push(UpstreamAddress::Unix(PathBuf::from(path)));
        return Ok(());
    }
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some((other, _)) => {
            return Err(format!("{other} is no protocol of an upstream (http, https, unix:PATH)"));
        }
        None => return Err(format!("{url:?} has no protocol (http, https, unix:PATH)")),
    };
    let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_authority = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if authority.is_empty() || authority.starts_with(':') || !authority.bytes().all(is_authority) || !has_port
    {
        return Err(format!("{authority:?} is no HOST:PORT"));
    }
    let base = base.strip_suffix('/').unwrap_or(base);
    if !base.bytes().all(|b| (b'!'..=b'~').contains(&b) && !b"?#".contains(&b)) {
        return Err(format!("{base:?} is no path"));
    }
    if !rule.upstreams.is_empty() && rule.base != base {
        return Err("the URLs of one rule have one path".into());
    }
    rule.base = base.to_owned();
    rule.upstreams.push(UpstreamAddress::Host { tls, authority: authority.to_owned() });
    Ok(())
}

fn proxy_host(text: &str) -> std::result::Result<ProxyHost, String> {
    match text {
        "keep" => Ok(ProxyHost::Keep),
        "upstream" => Ok(ProxyHost::Upstream),
        name if !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b)) =>
        {
            Ok(ProxyHost::Named(name.to_owned()))
        }
        _ => Err(format!("{text:?} is neither keep, upstream nor a host")),
    }
}

const KEYS: [&str; 7] = ["path", "to", "strip", "host", "max-fails", "fail-timeout", "ca"];
const REMEDY: &str =
    "Write [[proxy]], and below it path = \"/api\" and to = \"http://127.0.0.1:3000\", or an array of such.";

/// The tables `[[proxy]]` that `value` is; paths start at `folder`.
///
/// # Errors
/// `Usage`, with the place in the file.
pub fn tables(source: &SettingsText, folder: &Path, value: &Spanned<DeValue<'_>>) -> Result<Vec<ProxyRule>> {
    let Some(values) = value.get_ref().as_array() else {
        let text = format!("proxy is an array of tables, not {}", article(value.get_ref()));
        return Err(source.error(value.span().start, &text, REMEDY));
    };
    let mut all = Vec::new();
    for value in values.iter() {
        let Some(entries) = value.get_ref().as_table() else {
            let text = format!("proxy is an array of tables, not of {}s", value.get_ref().type_str());
            return Err(source.error(value.span().start, &text, REMEDY));
        };
        let (mut rule, mut has_path) = (ProxyRule::default(), false);
        for (key, value) in entries.iter() {
            has_path |= key.get_ref().as_ref() == "path";
            set(&mut rule, source, folder, key, value)?;
        }
        let missing = if !has_path { Some("path") } else { rule.upstreams.is_empty().then_some("to") };
        if let Some(key) = missing {
            return Err(source.error(value.span().start, &format!("proxy has no {key}"), REMEDY));
        }
        all.push(rule);
    }
    Ok(all)
}

fn set(
    rule: &mut ProxyRule,
    source: &SettingsText,
    folder: &Path,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<()> {
    let name = key.get_ref().as_ref();
    if !KEYS.contains(&name) {
        let text = format!("Keys of [[proxy]] are {}.", KEYS.join(", "));
        return Err(source.error(key.span().start, &format!("unknown key proxy.{name}"), text));
    }
    let wrong = |what: &str| {
        let text = format!("proxy.{name} is {what}, not {}", article(value.get_ref()));
        source.error(value.span().start, &text, REMEDY)
    };
    let refuse = |why: String| source.error(value.span().start, &format!("proxy.{name}: {why}"), REMEDY);
    let text = value.get_ref().as_str();
    match (name, value.get_ref()) {
        ("strip", DeValue::Boolean(is)) => rule.strip = *is,
        ("strip", _) => return Err(wrong("true or false")),
        ("max-fails", DeValue::Integer(number)) => {
            rule.max_fails = u32::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| refuse("not a count".into()))?;
        }
        ("max-fails", _) => return Err(wrong("a number")),
        ("to", DeValue::Array(all)) => {
            for url in all.iter() {
                let url = url.get_ref().as_str().ok_or_else(|| wrong("a string, or an array of such"))?;
                add_upstream(rule, url).map_err(&refuse)?;
            }
        }
        ("to", _) => {
            let url = text.ok_or_else(|| wrong("a string, or an array of such"))?;
            add_upstream(rule, url).map_err(&refuse)?;
        }
        ("fail-timeout", DeValue::Integer(seconds)) => {
            rule.fail_ms = seconds.as_str().parse::<Span>().map_err(|e| refuse(e.why.into()))?.0;
        }
        (_, _) => {
            let text = text.ok_or_else(|| wrong("a string"))?;
            match name {
                "path" => rule.path = prefix(text).map_err(&refuse)?,
                "host" => rule.host = Some(proxy_host(text).map_err(&refuse)?),
                "ca" => rule.ca = Some(folder.join(text)),
                _ => rule.fail_ms = text.parse::<Span>().map_err(|error| refuse(error.why.into()))?.0,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_path_and_its_servers() {
        let shown = |text: &str| {
            rule(text).map(|rule| {
                let upstreams = rule.upstreams.iter().map(|it| match it {
                    UpstreamAddress::Host { tls, authority } => format!("{tls} {authority}"),
                    UpstreamAddress::Unix(path) => format!("unix {}", path.display()),
                });
                let upstreams = upstreams.collect::<Vec<_>>().join("+");
                format!("{} {upstreams} {} {} {:?}", rule.path, rule.base, rule.strip, rule.host)
            })
        };
        for (text, expected) in [
            ("/api=http://127.0.0.1:3000", "/api false 127.0.0.1:3000  false None"),
            ("/=https://a.test/", " true a.test  false None"),
            ("/a/b/=http://a:1/v1,http://b:2/v1?strip", "/a/b false a:1+false b:2 /v1 true None"),
            ("/x=unix:/run/x.sock?host=a.test", "/x unix /run/x.sock  false Some(Named(\"a.test\"))"),
            ("/x=http://[::1]:80?host=upstream&strip", "/x false [::1]:80  true Some(Upstream)"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "/api",
            "api=http://a",
            "/a//b=http://a",
            "/../a=http://a",
            "/a=ftp://a",
            "/a=a:1",
            "/a=http://",
            "/a=http://:1",
            "/a=http://a:0",
            "/a=http://a:x",
            "/a=http://u@a",
            "/a=http://a/x,http://b/y",
            "/a=http://a?x",
            "/a=unix:",
            "",
            "/a=http://a?host=",
        ] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
