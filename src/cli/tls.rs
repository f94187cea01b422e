//! The certificates of TLS listeners, from flags and from the tables `[[tls]]` of jsserve.toml.
//!
//! Owns: which files belong together, what the flags say for tables that do not. Must not know: what is in the files.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use runtime::config::{self, Acme, CertificateFiles, ExternalAccount, Listen, SelfSigned};
use runtime::error::{Error, Result};
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::flags::{ClientAuth, Serving, TlsFlags};
use super::places::{SettingsText, article};

/// A table `[[tls]]`.
#[derive(Clone, Debug, Default)]
pub struct CertificateTable {
    pub cert: PathBuf,
    pub key: Option<PathBuf>,
    pub ocsp: Option<PathBuf>,
    pub client_auth: Option<ClientAuth>,
    pub client_ca: Option<PathBuf>,
}

/// The certificates, those of flags first.
///
/// # Errors
/// `Usage` for files that belong to none, and for a rule that lacks its authority.
pub fn certificates(flags: &TlsFlags, tables: &[CertificateTable]) -> Result<Vec<CertificateFiles>> {
    let (certs, keys, responses) = (&flags.tls_cert, &flags.tls_key, &flags.tls_ocsp);
    if flags.tls_self_signed
        && !(certs.is_empty() && keys.is_empty() && tables.is_empty() && flags.acme.is_empty())
    {
        return Err(Error::of_flag(
            "tls-self-signed",
            "there are certificates already (--tls-cert, [[tls]], --acme)",
        )
        .remedy(
            "Leave it out to serve with those; or leave them out for one that is made for development.",
        ));
    }
    if !keys.is_empty() && keys.len() != certs.len() {
        let text = format!("{} keys are given for {} certificates", keys.len(), certs.len());
        return Err(Error::of_flag("tls-key", text)
            .remedy("Each --tls-cert FILE has its --tls-key FILE, or its key in the same file."));
    }
    if responses.len() > certs.len() {
        let text = format!("{} responses are given for {} certificates", responses.len(), certs.len());
        return Err(Error::of_flag("tls-ocsp", text).remedy("Each belongs to a --tls-cert FILE."));
    }
    let at = |files: &[OsString], at: usize| files.get(at).map(PathBuf::from);
    let of_flags = certs.iter().enumerate().map(|(n, cert)| CertificateTable {
        cert: cert.into(),
        key: at(keys, n),
        ocsp: at(responses, n),
        ..CertificateTable::default()
    });
    of_flags.chain(tables.iter().cloned()).map(|table| files(table, flags)).collect()
}

/// The certificate for development, if one is wanted; `listen` are the places that `serving` names.
///
/// # Errors
/// `Usage` for a rule that lacks its authority.
pub fn self_signed(flags: &TlsFlags, serving: &Serving, listen: &[Listen]) -> Result<Option<SelfSigned>> {
    if !flags.tls_self_signed {
        return Ok(None);
    }
    let rule = files(CertificateTable::default(), flags)?;
    let mut names = Vec::new();
    for listen in listen.iter().filter(|listen| listen.tls) {
        match listen.address.ip().map(|addr| addr.ip()) {
            // For all of this machine's: it is asked for by its name.
            Some(ip) if ip.is_unspecified() => {
                let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                names.push(name.trim().to_ascii_lowercase());
            }
            Some(ip) => names.push(ip.to_string()),
            None => {}
        }
    }
    names.extend(serving.listen.iter().filter_map(|url| host_name(url)));
    names.retain(|name| name.parse::<IpAddr>().is_ok() || is_host_name(name));
    Ok(Some(SelfSigned { names, client_auth: rule.client_auth, client_ca: rule.client_ca }))
}

/// The certificate that is to be ordered, if there is one.
///
/// # Errors
/// `Usage` for hosts that cannot have one, for terms that are not agreed to, a rule that lacks its authority.
pub fn acme(flags: &TlsFlags) -> Result<Option<Acme>> {
    let mut names: Vec<String> = Vec::new();
    for name in flags.acme.iter().map(|name| name.trim().to_ascii_lowercase()) {
        if !is_host_name(&name) || name.parse::<IpAddr>().is_ok() || !name.contains('.') {
            return Err(Error::of_flag("acme", format!("{name:?} is no host that can have a certificate"))
                .remedy("Write names of the DNS as example.org, in ASCII; a pattern needs a proof by DNS, which is not there."));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        let eab = flags.acme_eab_kid.is_some() || flags.acme_eab_key.is_some();
        let given = flags.acme_agree || flags.acme_email.is_some() || flags.acme_ca.is_some() || eab;
        let nothing = || Error::of_flag("acme", "no host is named").remedy("Write --acme example.org.");
        return if given { Err(nothing()) } else { Ok(None) };
    }
    if !flags.acme_agree {
        let text = format!("the terms of service behind {} are not agreed to", flags.acme_directory);
        return Err(Error::of_flag("acme", text).remedy("Read them, and say --acme-agree."));
    }
    if !flags.acme_directory.starts_with("https://") {
        return Err(Error::of_flag("acme-directory", format!("{:?} is no https: URL", flags.acme_directory))
            .remedy(
                "Leave it out for Let's Encrypt, or write the URL of a directory (RFC 8555 section 7.1.1).",
            ));
    }
    let external_account = match (&flags.acme_eab_kid, &flags.acme_eab_key) {
        (None, None) => None,
        (Some(key_id), Some(key)) => {
            Some(ExternalAccount { key_id: key_id.clone(), key: PathBuf::from(key) })
        }
        _ => {
            return Err(Error::of_flag("acme-eab-kid", "an account elsewhere has an identifier and a key")
                .remedy("Write --acme-eab-kid ID and --acme-eab-key FILE, or neither of them."));
        }
    };
    let rule = files(CertificateTable::default(), flags)?;
    Ok(Some(Acme {
        names,
        email: flags.acme_email.clone(),
        external_account,
        directory: flags.acme_directory.clone(),
        directory_ca: flags.acme_ca.as_ref().map(PathBuf::from),
        retry_ms: flags.acme_retry.0.max(1),
        client_auth: rule.client_auth,
        client_ca: rule.client_ca,
    }))
}

/// The host of a listener's URL that speaks TLS, as it stands there.
fn host_name(url: &str) -> Option<String> {
    let (_, place) = url.split_once("://").filter(|(name, _)| matches!(*name, "https" | "tls"))?;
    let place = place.split(['?', '/']).next().unwrap_or(place);
    place.rsplit_once(':').map(|(host, _)| host.to_ascii_lowercase())
}

/// Whether it is a name that a certificate can be for (RFC 1123 section 2.1).
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let edges = !label.starts_with('-') && !label.ends_with('-');
        edges && (1..=63).contains(&label.len())
    };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    name.len() <= 253 && name.bytes().all(is_part) && name.split('.').all(is_label)
}

fn files(table: CertificateTable, flags: &TlsFlags) -> Result<CertificateFiles> {
    let client_ca = table.client_ca.or_else(|| flags.tls_client_ca.as_ref().map(PathBuf::from));
    let client_auth = match table.client_auth.or(flags.tls_client_auth) {
        None if client_ca.is_some() => config::ClientAuth::Require,
        None | Some(ClientAuth::None) => config::ClientAuth::None,
        Some(ClientAuth::Request) => config::ClientAuth::Request,
        Some(ClientAuth::Require) => config::ClientAuth::Require,
    };
    if client_auth != config::ClientAuth::None && client_ca.is_none() {
        let text = "it is not said whose certificates are good";
        return Err(Error::of_flag("tls-client-auth", text)
            .remedy("Name a file of CA certificates in PEM with --tls-client-ca FILE."));
    }
    let key = table.key.unwrap_or_else(|| table.cert.clone());
    Ok(CertificateFiles { certificate: table.cert, key, ocsp: table.ocsp, client_auth, client_ca })
}

/// The tables of a file of settings in `folder`.
///
/// # Errors
/// `Usage`, with the place in the file: no tables, an unknown key, a value of another type.
pub fn tables(
    source: &SettingsText,
    folder: &Path,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<CertificateTable>> {
    const REMEDY: &str = "Write [[tls]], and below it cert = \"FILE\" and key = \"FILE\".";
    let Some(values) = value.get_ref().as_array() else {
        let text = format!("tls is an array of tables, not {}", article(value.get_ref()));
        return Err(source.error(value.span().start, &text, REMEDY));
    };
    let mut all = Vec::new();
    for value in values.iter() {
        let Some(entries) = value.get_ref().as_table() else {
            let text = format!("tls is an array of tables, not of {}s", value.get_ref().type_str());
            return Err(source.error(value.span().start, &text, REMEDY));
        };
        let mut table = CertificateTable::default();
        for (key, value) in entries.iter() {
            set(&mut table, source, folder, key, value)?;
        }
        if table.cert.as_os_str().is_empty() {
            return Err(source.error(value.span().start, "tls has no cert", REMEDY));
        }
        all.push(table);
    }
    Ok(all)
}

fn set(
    table: &mut CertificateTable,
    source: &SettingsText,
    folder: &Path,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<()> {
    const KEYS: &str = "Keys of [[tls]] are cert, key, ocsp, client-auth and client-ca.";
    let name = key.get_ref().as_ref();
    if !["cert", "key", "ocsp", "client-auth", "client-ca"].contains(&name) {
        return Err(source.error(key.span().start, &format!("unknown key tls.{name}"), KEYS));
    }
    let Some(text) = value.get_ref().as_str() else {
        let what = format!("tls.{name} is a string, not {}", article(value.get_ref()));
        return Err(source.error(
            value.span().start,
            &what,
            "Write it in quotes; paths start at the folder of this file.",
        ));
    };
    let path = folder.join(text);
    match name {
        "cert" => table.cert = path,
        "key" => table.key = Some(path),
        "ocsp" => table.ocsp = Some(path),
        "client-ca" => table.client_ca = Some(path),
        _ => {
            let rule = ClientAuth::from_str(text, false).map_err(|_| {
                let what = format!("tls.client-auth is one of none, request, require, not {text:?}");
                source.error(value.span().start, &what, "request takes clients without a certificate, too.")
            })?;
            table.client_auth = Some(rule);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::Flags;
    use clap::Parser;

    fn of(words: &[&str], tables: &[CertificateTable]) -> Result<Vec<CertificateFiles>> {
        let words = std::iter::once("jsserve").chain(words.iter().copied());
        certificates(&Flags::try_parse_from(words).expect("flags parse").tls, tables)
    }

    #[test]
    fn files_belong_together_in_their_order() {
        let words =
            ["--tls-cert", "a", "--tls-cert=b", "--tls-key", "x", "--tls-key", "y", "--tls-ocsp", "o"];
        let found = of(&words, &[]).expect("certificates");
        let pairs: Vec<_> = found.iter().map(|it| (it.certificate.to_str(), it.key.to_str())).collect();
        assert_eq!(pairs, [(Some("a"), Some("x")), (Some("b"), Some("y"))]);
        assert_eq!((found[0].ocsp.as_deref(), found[1].ocsp.as_deref()), (Some("o".as_ref()), None));
        assert_eq!(of(&["--tls-cert", "a"], &[]).expect("a certificate")[0].key.to_str(), Some("a"));
    }

    #[test]
    fn a_certificate_for_development_is_for_the_listeners_hosts() {
        let names = |words: &[&str]| {
            let words = ["jsserve", "--tls-self-signed"].iter().chain(words).copied();
            let flags = Flags::try_parse_from(words).expect("flags parse");
            let listen =
                flags.serving.listen.iter().flat_map(|url| crate::cli::address::from_url(url).expect(url));
            let made = self_signed(&flags.tls, &flags.serving, &listen.collect::<Vec<_>>());
            made.expect("a rule").expect("a certificate").names
        };
        assert_eq!(names(&["--listen", "http://127.0.0.7:1"]), [""; 0]);
        let words = ["--listen", "https://127.0.0.2:1", "--listen", "tls://LOCALHOST:2?proxy"];
        let found = names(&words);
        assert!(
            found.contains(&"127.0.0.2".to_owned()) && found.contains(&"localhost".to_owned()),
            "{found:?}"
        );
        let found = names(&["--listen", "https://[::]:1"]);
        assert!(found.iter().all(|name| !name.contains(':')), "{found:?}");
    }

    #[test]
    fn a_table_without_a_rule_for_clients_has_that_of_the_flags() {
        let table = |rule| CertificateTable { client_auth: rule, ..CertificateTable::default() };
        let tables = [table(None), table(Some(ClientAuth::None)), table(Some(ClientAuth::Request))];
        let found = of(&["--tls-client-ca", "ca"], &tables).expect("certificates");
        let rules: Vec<_> = found.iter().map(|it| it.client_auth).collect();
        use config::ClientAuth as Rule;
        assert_eq!(rules, [Rule::Require, Rule::None, Rule::Request]);
        assert_eq!(of(&[], &tables[..2]).expect("certificates")[0].client_auth, Rule::None);
        of(&[], &tables).expect_err("whose certificates are good?");
    }
}
