//! The certificates of TLS listeners, from flags and from the tables `[[tls]]` of jsserve.toml.
//!
//! Owns: which files belong together, what the flags say for tables that do not. Must not know: what is in the files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use runtime::config::{self, CertificateFiles};
use runtime::error::{Error, Result};
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::flags::{ClientAuth, TlsFlags};
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
    fn a_table_without_a_rule_for_clients_has_that_of_the_flags() {
        let table = |rule| CertificateTable { client_auth: rule, ..CertificateTable::default() };
        let tables = [table(None), table(Some(ClientAuth::None)), table(Some(ClientAuth::Request))];
        let found = of(&["--tls-client-ca", "ca"], &tables).expect("certificates");
        let rules: Vec<_> = found.iter().map(|it| it.client_auth).collect();
        use config::ClientAuth::{None, Request, Require};
        assert_eq!(rules, [Require, None, Request]);
        assert_eq!(of(&[], &tables[..2]).expect("certificates")[0].client_auth, None);
        of(&[], &tables).expect_err("whose certificates are good?");
    }
}
