//! The setters of `URL`'s attributes: the basic URL parser with a state override (URL standard, sections
//! 4.4 and 6.1). A value that does not fit changes nothing.
//!
//! Owns: what each may change. Must not know: JavaScript.

use super::parser;
use super::record::{UrlRecord, default_port, special};

/// `protocol`.
pub(super) fn protocol(url: &mut UrlRecord, value: &str) {
    let text = format!("{}:", parser::without_breaks(value));
    let Some((scheme, _)) = parser::scheme(&text) else { return };
    let is_kept = special(&scheme).is_some() != url.is_special()
        || scheme == "file" && (url.has_credentials() || url.port.is_some())
        || url.scheme == "file" && url.host.as_ref().is_none_or(String::is_empty);
    if is_kept {
        return;
    }
    url.scheme = scheme;
    url.port = url.port.filter(|port| default_port(&url.scheme) != Some(*port));
}

/// `username`.
pub(super) fn username(url: &mut UrlRecord, value: &str) {
    if !url.is_without_port() {
        url.username = parser::user_info(value);
    }
}

/// `password`.
pub(super) fn password(url: &mut UrlRecord, value: &str) {
    if !url.is_without_port() {
        url.password = parser::user_info(value);
    }
}

/// `host`.
pub(super) fn host(url: &mut UrlRecord, value: &str) {
    set_host(url, value, false);
}

/// `hostname`.
pub(super) fn hostname(url: &mut UrlRecord, value: &str) {
    set_host(url, value, true);
}

fn set_host(url: &mut UrlRecord, value: &str, is_alone: bool) {
    if url.is_opaque {
        return;
    }
    let value = parser::without_breaks(value);
    let is_special = url.is_special();
    let text = &value[..parser::authority_end(&value, is_special)];
    if url.scheme == "file" {
        if let Some(host) = parser::file_host(text) {
            url.host = Some(host);
        }
        return;
    }
    let (name, port) = parser::host_and_port(text);
    let is_needed = is_special || port.is_some() || url.has_credentials() || url.port.is_some();
    if name.is_empty() && is_needed || is_alone && port.is_some() {
        return;
    }
    let Some(host) = parser::host(name, is_special) else { return };
    url.host = Some(host);
    if let Some((port, _)) = port.and_then(parser::port) {
        parser::set_port(url, port);
    }
}

/// `port`: what is behind the digits is ignored.
pub(super) fn port(url: &mut UrlRecord, value: &str) {
    if url.is_without_port() {
        return;
    }
    if value.is_empty() {
        url.port = None;
    } else if let Some((port, _)) = parser::port(&parser::without_breaks(value)) {
        parser::set_port(url, port);
    }
}

/// `pathname`.
pub(super) fn pathname(url: &mut UrlRecord, value: &str) {
    if url.is_opaque {
        return;
    }
    let value = parser::without_breaks(value);
    url.path.clear();
    let rest = match url.is_special() {
        true => value.strip_prefix(['/', '\\']).unwrap_or(&value),
        false => value.strip_prefix('/').unwrap_or(&value),
    };
    // Path start state: no path at all beside a scheme that is not special, but where nothing else is there.
    if !value.is_empty() || url.is_special() || url.host.is_none() {
        parser::path(url, rest, true);
    }
}

/// `search`.
pub(super) fn search(url: &mut UrlRecord, value: &str) {
    url.query = (!value.is_empty()).then(|| {
        let text = parser::without_breaks(value.strip_prefix('?').unwrap_or(value));
        parser::query(&text, url.is_special())
    });
}

/// `hash`.
pub(super) fn hash(url: &mut UrlRecord, value: &str) {
    let text =
        |value: &str| parser::fragment(&parser::without_breaks(value.strip_prefix('#').unwrap_or(value)));
    url.fragment = (!value.is_empty()).then(|| text(value));
}
