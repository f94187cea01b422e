//! How a line of the access log looks: a form of ours, or a text with variables as nginx has them.
//!
//! Owns: the names of variables. Must not know: their values.

use std::fmt;

/// What nginx calls combined, and most tools that read logs know.
pub(super) const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
     \"$http_referer\" \"$http_user_agent\"";

/// A value of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    RemoteAddr,
    RemotePort,
    RemoteUser,
    ServerAddr,
    ServerPort,
    TimeLocal,
    TimeIso8601,
    Msec,
    Request,
    RequestMethod,
    RequestUri,
    Uri,
    Args,
    ServerProtocol,
    Scheme,
    Host,
    Status,
    BodyBytesSent,
    BytesSent,
    RequestLength,
    RequestTime,
    JavascriptTime,
    RequestId,
    Cause,
    Worker,
    Pid,
    /// A field of the request, by its name in lower case.
    Field(Vec<u8>),
}

const NAMES: [(&str, Variable); 28] = [
    ("remote_addr", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("remote_user", Variable::RemoteUser),
    ("server_addr", Variable::ServerAddr),
    ("server_port", Variable::ServerPort),
    ("time_local", Variable::TimeLocal),
    ("time_iso8601", Variable::TimeIso8601),
    ("msec", Variable::Msec),
    ("request", Variable::Request),
    ("request_method", Variable::RequestMethod),
    ("request_uri", Variable::RequestUri),
    ("uri", Variable::Uri),
    ("args", Variable::Args),
    ("query_string", Variable::Args),
    ("server_protocol", Variable::ServerProtocol),
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("status", Variable::Status),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("bytes_sent", Variable::BytesSent),
    ("request_length", Variable::RequestLength),
    ("request_time", Variable::RequestTime),
    ("javascript_time", Variable::JavascriptTime),
    ("request_id", Variable::RequestId),
    ("cause", Variable::Cause),
    ("worker", Variable::Worker),
    ("pid", Variable::Pid),
    ("http_host", Variable::Host),
];

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FormatPart {
    Text(String),
    Value(Variable),
}

/// How a line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line to be read by people at once: method, target, status, time.
    Short {
        /// With colours of a terminal.
        colour: bool,
    },
    /// An object for each line.
    Json,
    /// A text with values.
    Text(FormatText),
}

/// A text with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatText(pub(super) Vec<FormatPart>);

/// A name that no value has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// The one that may be meant.
    pub near: Option<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no variable ${}", self.name)
    }
}

impl Format {
    /// nginx's combined format.
    pub fn combined() -> Format {
        Format::parse(COMBINED).unwrap_or(Format::Json)
    }

    /// A text with `$name` or `${name}` for values, and `$$` for a dollar sign.
    ///
    /// # Errors
    /// A name that no value has.
    pub fn parse(text: &str) -> Result<Format, Unknown> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            add_text(&mut parts, before);
            if let Some(after) = after.strip_prefix('$') {
                add_text(&mut parts, "$");
                rest = after;
                continue;
            }
            let (name, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(both) => both,
                None => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
                }
            };
            parts.push(FormatPart::Value(variable(name)?));
            rest = after;
        }
        add_text(&mut parts, rest);
        Ok(Format::Text(FormatText(parts)))
    }
}

fn add_text(parts: &mut Vec<FormatPart>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(FormatPart::Text(known)) => known.push_str(text),
        _ => parts.push(FormatPart::Text(text.to_owned())),
    }
}

fn variable(name: &str) -> Result<Variable, Unknown> {
    if let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(variable.clone());
    }
    match name.strip_prefix("http_") {
        Some(field) if !field.is_empty() => {
            Ok(Variable::Field(field.to_ascii_lowercase().replace('_', "-").into_bytes()))
        }
        _ => {
            let words =
                |text: &str| text.split('_').map(str::to_owned).collect::<std::collections::HashSet<_>>();
            let asked = words(name);
            let near = NAMES.iter().map(|(known, _)| (words(known).intersection(&asked).count(), *known));
            let near =
                near.max_by_key(|(alike, _)| *alike).filter(|(alike, _)| *alike > 0).map(|(_, known)| known);
            Err(Unknown { name: name.to_owned(), near })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_text_and_values() {
        let parsed = Format::parse("a $status${uri}x $$ $http_x_a_b!");
        let expected = [
            FormatPart::Text("a ".into()),
            FormatPart::Value(Variable::Status),
            FormatPart::Value(Variable::Uri),
            FormatPart::Text("x $ ".into()),
            FormatPart::Value(Variable::Field(b"x-a-b".into())),
            FormatPart::Text("!".into()),
        ];
        assert_eq!(parsed, Ok(Format::Text(FormatText(expected.into()))));
        assert!(matches!(Format::combined(), Format::Text(_)));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_may_be_meant() {
        for (text, name, near) in [
            ("$remote_adr", "remote_adr", Some("remote_user")),
            ("$nothing", "nothing", None),
            ("$", "", None),
            ("${status", "", None),
            ("$http_", "http_", Some("http_host")),
        ] {
            let unknown = Format::parse(text).expect_err(text);
            assert_eq!(unknown.name, name);
            assert_eq!(unknown.near.is_some(), near.is_some(), "{text}: {:?}", unknown.near);
        }
    }
}
