//! A client's certificate as `ctx.tls` has it, with the fields of Node's `getPeerCertificate`.
//!
//! Owns: the object's form. Must not know: connections, how a certificate is read.

use rquickjs::{Ctx, Result, Value};
use serde_json::{Map, Value as Json};

use crate::js::{function, value};
use crate::tls::{CertificateFacts, SubjectName, date, fingerprint};

/// The object for a certificate in DER.
///
/// # Errors
/// Out of memory.
pub fn object<'js>(ctx: &Ctx<'js>, der: &[u8]) -> Result<Value<'js>> {
    let mut fields = Map::new();
    if let Some(facts) = CertificateFacts::read(der) {
        fields.insert("subject".into(), attributes(facts.subject));
        fields.insert("issuer".into(), attributes(facts.issuer));
        if !facts.names.is_empty() {
            let names: Vec<String> = facts.names.iter().map(name).collect();
            fields.insert("subjectaltname".into(), names.join(", ").into());
        }
        fields.insert("valid_from".into(), date(facts.not_before).into());
        fields.insert("valid_to".into(), date(facts.not_after).into());
        fields.insert("serialNumber".into(), facts.serial.into());
    }
    fields.insert("fingerprint256".into(), fingerprint(der).into());
    let object = value::parse_json(ctx, &Json::Object(fields).to_string(), "certificate")?;
    if let Some(object) = object.as_object() {
        function::define(ctx, object, c"raw", value::uint8_array(ctx, der)?, true)?;
    }
    Ok(object)
}

/// The attributes of a name; the values of one that stands there several times are an array.
fn attributes(pairs: Vec<(String, String)>) -> Json {
    let mut all = Map::new();
    for (key, value) in pairs {
        match all.get_mut(&key) {
            None => drop(all.insert(key, value.into())),
            Some(Json::Array(values)) => values.push(value.into()),
            Some(first) => *first = Json::Array(vec![first.take(), value.into()]),
        }
    }
    Json::Object(all)
}

/// A name as OpenSSL prints it; one that could be taken for several is in quotes (CVE-2021-44532).
fn name(name: &SubjectName) -> String {
    let (kind, text) = match name {
        SubjectName::Dns(host) => ("DNS", host.clone()),
        SubjectName::Ip(address) => ("IP Address", address.to_string()),
        SubjectName::Email(address) => ("email", address.clone()),
        SubjectName::Uri(uri) => ("URI", uri.clone()),
    };
    let is_plain = !text.contains([',', '"', '\\', '\'']) && !text.contains(char::is_control);
    format!("{kind}:{}", if is_plain { text } else { Json::String(text).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_stands_twice_is_an_array() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let json = attributes(vec![pair("OU", "a"), pair("CN", "b"), pair("OU", "c"), pair("OU", "d")]);
        assert_eq!(json, serde_json::json!({ "CN": "b", "OU": ["a", "c", "d"] }));
    }

    #[test]
    fn no_name_passes_for_two() {
        assert_eq!(name(&SubjectName::Dns("a.test".into())), "DNS:a.test");
        assert_eq!(name(&SubjectName::Dns("a, DNS:b".into())), r#"DNS:"a, DNS:b""#);
    }
}
