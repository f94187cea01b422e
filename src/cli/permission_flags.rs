//! The flags of permissions, as typed, and what they come to.
//!
//! Owns: their names and help, Deno's; which words they take. Must not know: what is asked of a permission.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::error::{Error, Result};
use runtime::permissions::{Granted, NetTarget, Permissions, plain_host, program_files, real_path};

/// What the code of an app or a script may reach. As soon as one of these is given, all else is refused.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Permissions")]
pub struct PermissionFlags {
    /// Let the app or script read files, all or these and what is below them; with commas, or repeated. As soon as one of
    /// these flags is given, all that none of them names is refused
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub allow_read: Vec<OsString>,

    /// Let it make, change and remove files, all or these and what is below them
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub allow_write: Vec<OsString>,

    /// Let it reach hosts and be reached, all or these: names and addresses, with a port or for all of them
    #[arg(long, value_name = "HOST[:PORT]", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub allow_net: Vec<String>,

    /// Let it start programs, all or these
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub allow_run: Vec<OsString>,

    /// Let it see and set variables of the environment, all or these; A* means all that begin so. What --env gives an app
    /// is granted by that
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub allow_env: Vec<String>,
}

/// All where a word is empty: the flag without a value; else what `read` makes of each.
fn granted<W: AsRef<OsStr>, T>(words: &[W], read: impl FnMut(&W) -> Result<T>) -> Result<Granted<T>> {
    if words.iter().any(|word| word.as_ref().is_empty()) {
        return Ok(Granted { all: true, some: Vec::new() });
    }
    Ok(Granted { all: false, some: words.iter().map(read).collect::<Result<_>>()? })
}

fn path(flag: &str, word: &OsString) -> Result<PathBuf> {
    real_path(Path::new(word), true).map_err(|error| {
        Error::of_flag(flag, format!("{}: {error}", word.display())).remedy("Name a file or a folder.")
    })
}

fn target(word: &str) -> Result<NetTarget> {
    let wrong = || {
        Error::of_flag("allow-net", format!("{word:?} is no host")).remedy(
            "Write a name or an address, with a port or without: example.com, 127.0.0.1:8080, [::1]:443.",
        )
    };
    let (host, port) = match word.rsplit_once(':') {
        // The colons of IPv6.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (word, None),
        Some((_, port)) if port.ends_with(']') => (word, None),
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
        None => (word, None),
    };
    let host = plain_host(host);
    if host.is_empty() || host.contains(['/', '*', ' ', '@', '[', ']']) {
        return Err(wrong());
    }
    Ok(NetTarget { host, port })
}

/// Where a program is, by PATH; one that is not there is kept as it is named, and never found.
fn program(word: &OsString) -> PathBuf {
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let files = program_files(Path::new(word), &search);
    let found = files.iter().find(|file| file.is_file()).or(files.first());
    found.and_then(|file| real_path(file, false).ok()).unwrap_or_else(|| word.into())
}

impl PermissionFlags {
    /// What was granted beside the variables `env`; none where no flag was given.
    ///
    /// # Errors
    /// `Usage`: words that cannot be meant.
    pub fn permissions<'a>(&self, env: impl Iterator<Item = &'a str>) -> Result<Option<Arc<Permissions>>> {
        let PermissionFlags { allow_read, allow_write, allow_net, allow_run, allow_env } = self;
        let is_none = allow_read.is_empty() && allow_write.is_empty() && allow_run.is_empty();
        if is_none && allow_net.is_empty() && allow_env.is_empty() {
            return Ok(None);
        }
        let mut permissions = Permissions {
            read: granted(allow_read, |word| path("allow-read", word))?,
            write: granted(allow_write, |word| path("allow-write", word))?,
            net: granted(allow_net, |word| target(word))?,
            run: granted(allow_run, |word| Ok(program(word)))?,
            env: granted(allow_env, |word| Ok(word.clone()))?,
        };
        permissions.env.some.extend(env.map(str::to_owned));
        Ok(Some(Arc::new(permissions)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_in_urls() {
        for (word, host, port) in [
            ("Example.com", "example.com", None),
            ("example.com:443", "example.com", Some(443)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
        ] {
            assert_eq!(target(word).expect(word), NetTarget { host: host.into(), port }, "{word}");
        }
        for word in ["https://example.com", "*.example.com", "a:b", ":80", "a:70000"] {
            assert_eq!(target(word).expect_err(word).flag(), Some("allow-net"), "{word}");
        }
    }
}
