//! Folders whose files are served, as the flags name them.
//!
//! Owns: `DIR[:/PREFIX]`, that the folder is there. Must not know: how files are served.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use runtime::config::{StaticFiles, StaticFolder, StaticOrder};
use runtime::error::{Error, Result};
use runtime::files;

use super::file_flags::{FileFlags, FileOrder};

/// What the flags come to.
///
/// # Errors
/// `Usage`: a folder that is not there, a prefix or a fallback that can be none.
pub fn files(flags: &FileFlags) -> Result<StaticFiles> {
    let folders = flags.folders.iter().map(|given| {
        let (folder, prefix) = folder("static", given)?;
        Ok(StaticFolder { folder, prefix })
    });
    let folders = folders.collect::<Result<Vec<_>>>()?;
    if let Some(name) = &flags.static_fallback
        && (name.is_empty() || name.split('/').any(|step| matches!(step, "" | "." | "..")))
    {
        return Err(Error::of_flag("static-fallback", format!("{name:?} is no file of the folder"))
            .remedy("Name it as it is called there: --static-fallback index.html"));
    }
    if folders.is_empty() && flags.static_fallback.is_some() {
        return Err(Error::of_flag("static-fallback", "there is no folder that it could be in")
            .remedy("Name the folder: --static dist"));
    }
    Ok(StaticFiles {
        folders,
        order: match flags.static_order {
            FileOrder::Before => StaticOrder::Before,
            FileOrder::After => StaticOrder::After,
        },
        listing: flags.static_listing,
        dotfiles: flags.static_dotfiles,
        fallback: flags.static_fallback.clone(),
        max_age_s: flags.static_max_age.into(),
    })
}

/// `DIR`, or `DIR:/PREFIX`, of `--flag`.
///
/// # Errors
/// `Usage`: no such folder, no such prefix.
pub fn folder(flag: &str, given: &OsString) -> Result<(PathBuf, String)> {
    let bytes = given.as_bytes();
    let at = bytes.windows(2).rposition(|pair| pair == b":/").unwrap_or(bytes.len());
    let (folder, prefix) = (PathBuf::from(OsStr::from_bytes(&bytes[..at])), &bytes[at..]);
    let prefix = String::from_utf8_lossy(prefix.strip_prefix(b":").unwrap_or_default());
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |step: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b);
        !matches!(step, "" | "." | "..") && step.bytes().all(known)
    };
    if !prefix.is_empty() && !prefix[1..].split('/').all(is_plain) {
        return Err(Error::of_flag(flag, format!("{prefix:?} is no prefix of a path"))
            .remedy(format!("Write it as it stands in a URL: --{flag} public:/assets")));
    }
    files::check(&folder).map_err(|error| {
        Error::of_flag(flag, format!("{}: no folder that can be served ({error})", folder.display()))
            .remedy("Name a folder that is there; paths of the command line start at the working folder.")
    })?;
    Ok((folder, prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_have_a_prefix() {
        for (given, path, prefix) in [
            ("/", "/", ""),
            ("/:/a", "/", "/a"),
            ("/:/a/b/", "/", "/a/b"),
            ("/:/", "/", ""),
            ("/tmp/:/a", "/tmp/", "/a"),
        ] {
            let (folder, found) = folder("static", &given.into()).expect(given);
            assert_eq!((folder.to_str(), &*found), (Some(path), prefix), "{given}");
        }
        for given in ["/nowhere", "/:/a//b", "/:/../a", "/:/a b", "/:/%61", "Cargo.toml", ""] {
            assert!(folder("static", &given.into()).is_err(), "{given}");
        }
    }
}
