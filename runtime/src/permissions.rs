//! What the code of an app or a script may reach beyond computing: files, network, programs, variables.
//!
//! Owns: what was granted, the questions whether something was, the words of a refusal (Deno's). A path is asked by what
//! it leads to: links are followed first, and what was asked is what is opened. Must not know: flags, JavaScript.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What a permission is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To see what is in files and folders.
    Read,
    /// To make, change and remove them.
    Write,
    /// To reach hosts, and to be reached.
    Net,
    /// To start programs, and to send signals.
    Run,
    /// To see and set variables of the environment.
    Env,
}

impl Access {
    /// As it is called in flags.
    pub fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Net => "net",
            Access::Run => "run",
            Access::Env => "env",
        }
    }
}

/// Something was not granted. Its text names the flag that grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotGranted {
    access: Access,
    /// What was asked for; none: all of the kind.
    what: Option<String>,
}

impl fmt::Display for NotGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.access.name();
        write!(f, "Requires {name} access")?;
        if let Some(what) = &self.what {
            write!(f, " to \"{what}\"")?;
        }
        write!(f, ", run again with the --allow-{name} flag")
    }
}

impl std::error::Error for NotGranted {}

/// What was granted of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<T> {
    /// Everything.
    pub all: bool,
    /// These, else.
    pub some: Vec<T>,
}

/// Nothing.
impl<T> Default for Granted<T> {
    fn default() -> Self {
        Granted { all: false, some: Vec::new() }
    }
}

/// A host and, where it is not for all, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetTarget {
    /// A name or an address, in lower case, without brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

/// All that was granted to one app. What is not named is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Files and folders with all below, without links.
    pub read: Granted<PathBuf>,
    /// The same.
    pub write: Granted<PathBuf>,
    /// Hosts.
    pub net: Granted<NetTarget>,
    /// Programs, in the folders where they are.
    pub run: Granted<PathBuf>,
    /// Names of variables; one that ends in `*` means all that begin so.
    pub env: Granted<String>,
}

/// Links that are followed for one path: as many as Linux follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Where `path` leads, from the root and without links; what is not there yet is named by where it would be. `follows`:
/// whether a link at its end is followed, too.
///
/// # Errors
/// Links that go in a circle, folders that may not be searched.
pub fn real_path(path: &Path, follows: bool) -> std::io::Result<PathBuf> {
    real_path_within(path, follows, LINKS_MAX)
}

fn real_path_within(path: &Path, follows: bool, links_max: usize) -> std::io::Result<PathBuf> {
    let looped = || std::io::Error::from_raw_os_error(libc::ELOOP);
    let path = std::env::current_dir()?.join(path);
    // `file_name` is none behind `..`, and for the root.
    let name = path.file_name().filter(|_| !is_folder(&path));
    let (Some(name), Some(parent)) = (name, path.parent()) else {
        return std::fs::canonicalize(&path).or_else(|error| match (path.file_name(), path.parent()) {
            (Some(name), Some(parent)) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(real_path_within(parent, true, links_max)?.join(name))
            }
            // `..` of what is not there leads nowhere.
            _ => Err(error),
        });
    };
    if follows {
        match std::fs::canonicalize(&path) {
            Ok(real) => return Ok(real),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A link that leads to what is not there.
        if let Ok(target) = std::fs::read_link(&path) {
            let left = links_max.checked_sub(1).ok_or_else(looped)?;
            return real_path_within(&parent.join(target), true, left);
        }
    }
    Ok(real_path_within(parent, true, links_max)?.join(name))
}

/// Whether the path says of itself that it is a folder: `a/`, `a/.`.
fn is_folder(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

/// Opens what `path` is without following a link anywhere in it.
///
/// # Errors
/// Those of open(2): ELOOP where a link has come in between.
pub fn open_exactly(path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // openat2(2) is strict where open(2) is not: a mode is for what is made.
    let makes = flags.intersects(OFlags::CREATE) || flags.contains(OFlags::TMPFILE);
    let strict = if makes { mode } else { Mode::empty() };
    match rustix::fs::openat2(CWD, path, flags, strict, resolve) {
        // Linux before 5.6, and filters that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::open(path, flags | OFlags::NOFOLLOW, mode),
        opened => opened,
    }
}

impl Permissions {
    fn path(
        &self,
        access: Access,
        granted: &Granted<PathBuf>,
        path: &Path,
        follows: bool,
    ) -> Result<PathBuf, NotGranted> {
        if granted.all {
            return Ok(path.to_owned());
        }
        let real = real_path(path, follows).ok();
        let found = real.filter(|real| granted.some.iter().any(|root| real.starts_with(root)));
        found.ok_or_else(|| NotGranted { access, what: Some(path.display().to_string()) })
    }

    /// Where `path` leads, if it may be read; what is done is to be done there.
    ///
    /// # Errors
    /// It may not.
    pub fn read(&self, path: &Path, follows: bool) -> Result<PathBuf, NotGranted> {
        self.path(Access::Read, &self.read, path, follows)
    }

    /// The same for writing.
    ///
    /// # Errors
    /// It may not.
    pub fn write(&self, path: &Path, follows: bool) -> Result<PathBuf, NotGranted> {
        self.path(Access::Write, &self.write, path, follows)
    }

    /// Everything of a kind.
    ///
    /// # Errors
    /// It was not granted.
    pub fn all(&self, access: Access) -> Result<(), NotGranted> {
        let granted = match access {
            Access::Read => self.read.all,
            Access::Write => self.write.all,
            Access::Net => self.net.all,
            Access::Run => self.run.all,
            Access::Env => self.env.all,
        };
        if granted { Ok(()) } else { Err(NotGranted { access, what: None }) }
    }

    /// A host, by name or address (IPv6 with or without brackets); without a port any of its ports will do.
    ///
    /// # Errors
    /// It was not granted.
    pub fn net(&self, host: &str, port: Option<u16>) -> Result<(), NotGranted> {
        let name = plain_host(host);
        let meets = |target: &NetTarget| {
            target.host == name && (target.port.is_none() || port.is_none() || target.port == port)
        };
        if self.net.all || self.net.some.iter().any(meets) {
            return Ok(());
        }
        let brackets = name.contains(':');
        let shown = if brackets { format!("[{name}]") } else { name };
        let what = port.map_or_else(|| shown.clone(), |port| format!("{shown}:{port}"));
        Err(NotGranted { access: Access::Net, what: Some(what) })
    }

    /// An address of the network.
    ///
    /// # Errors
    /// It was not granted.
    pub fn address(&self, addr: &SocketAddr) -> Result<(), NotGranted> {
        self.net(&addr.ip().to_canonical().to_string(), Some(addr.port()))
    }

    /// The program that is the file `path`: where it is.
    ///
    /// # Errors
    /// It was not granted; it is told as `asked`.
    pub fn run(&self, path: &Path, asked: &str) -> Result<PathBuf, NotGranted> {
        if self.run.all {
            return Ok(path.to_owned());
        }
        let real = real_path(path, false).ok();
        let found = real.filter(|real| self.run.some.contains(real));
        found.ok_or_else(|| NotGranted { access: Access::Run, what: Some(asked.to_owned()) })
    }

    /// A variable of the environment.
    ///
    /// # Errors
    /// It was not granted.
    pub fn env(&self, name: &str) -> Result<(), NotGranted> {
        let meets = |granted: &String| match granted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => granted == name,
        };
        if self.env.all || self.env.some.iter().any(meets) {
            return Ok(());
        }
        Err(NotGranted { access: Access::Env, what: Some(name.to_owned()) })
    }

    /// The file `path` as code that an app loads while it runs, whose main module or folder is `main`: what is below
    /// that folder, and packages beside it, is part of the app.
    ///
    /// # Errors
    /// It is another one, and may not be read.
    pub fn load(&self, path: &Path, main: &Path) -> Result<(), NotGranted> {
        if self.read.all {
            return Ok(());
        }
        let real = real_path(path, true).unwrap_or_default();
        let home = if main.is_dir() { Some(main) } else { main.parent() };
        let is_own = home.filter(|_| main.is_absolute()).is_some_and(|home| {
            real == main || home.parent().is_some() && real.starts_with(home) || is_package_of(&real, home)
        });
        if is_own { Ok(()) } else { self.read(path, true).map(drop) }
    }
}

/// Whether `file` is in a folder of packages beside `home` or above it.
fn is_package_of(file: &Path, home: &Path) -> bool {
    let mut beside = PathBuf::new();
    for part in file.components() {
        if part == Component::Normal("node_modules".as_ref()) {
            return home.starts_with(&beside);
        }
        beside.push(part);
    }
    false
}

/// A host without brackets, in lower case; an address as it is usually written.
pub fn plain_host(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

/// The files that a program of the name `name` may be, by the folders of `search`: a name with a slash is one already.
pub fn program_files(name: &Path, search: &OsString) -> Vec<PathBuf> {
    match name.components().count() {
        1 if !name.is_absolute() && !name.as_os_str().is_empty() => {
            std::env::split_paths(search).map(|folder| folder.join(name)).collect()
        }
        _ => vec![name.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: Option<u16>) -> NetTarget {
        NetTarget { host: host.into(), port }
    }

    #[test]
    fn what_is_not_named_is_refused_with_the_flag_that_grants_it() {
        let none = Permissions::default();
        for (refused, words) in [
            (
                none.read("/etc/passwd".as_ref(), true).unwrap_err(),
                "read access to \"/etc/passwd\", run again with the --allow-read flag",
            ),
            (none.net("Example.com", Some(443)).unwrap_err(), "net access to \"example.com:443\""),
            (none.net("::1", Some(80)).unwrap_err(), "net access to \"[::1]:80\""),
            (none.env("HOME").unwrap_err(), "env access to \"HOME\", run again with the --allow-env flag"),
            (none.run("/bin/ls".as_ref(), "ls").unwrap_err(), "run access to \"ls\""),
            (none.all(Access::Run).unwrap_err(), "run access, run again with the --allow-run flag"),
        ] {
            assert!(refused.to_string().starts_with(&format!("Requires {words}")), "{refused}");
        }
    }

    #[test]
    fn hosts_are_granted_with_and_without_a_port() {
        let net = Granted { all: false, some: vec![host("example.com", None), host("::1", Some(80))] };
        let granted = Permissions { net, ..Permissions::default() };
        assert!(granted.net("EXAMPLE.com.", Some(1)).is_ok() && granted.net("[::1]", Some(80)).is_ok());
        assert!(granted.net("::1", Some(81)).is_err() && granted.net("a.example.com", Some(1)).is_err());
        let net = Granted { all: false, some: vec![host("127.0.0.1", None)] };
        let granted = Permissions { net, ..Permissions::default() };
        // An address of IPv4 in one of IPv6.
        assert!(granted.address(&"[::ffff:127.0.0.1]:9".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_path_is_what_its_links_lead_to() {
        let base = std::env::temp_dir().join(format!("jsserve-permissions-{}", std::process::id()));
        std::fs::create_dir_all(base.join("in/sub")).expect("a folder");
        let base = std::fs::canonicalize(base).expect("a path");
        let link =
            |target: &str, name: &str| std::os::unix::fs::symlink(target, base.join(name)).expect("a link");
        link("/etc", "in/etc");
        link("/nowhere/x", "in/dangling");
        link("loop", "in/loop");
        link("sub", "in/own");
        let read = Granted { all: false, some: vec![base.join("in")] };
        let granted = Permissions { read: read.clone(), write: read, ..Permissions::default() };
        for (path, is) in [
            ("in", true),
            ("in/", true),
            ("in/new", true),
            ("in/sub/../new", true),
            ("in/own/new", true),
            ("in/not/yet/there", true),
            ("inside", false),
            ("in/..", false),
            ("in/../in/new", true),
            ("in/etc/passwd", false),
            ("in/etc", false),
            ("in/dangling", false),
            ("in/loop", false),
            ("in/not/../../x", false),
        ] {
            assert_eq!(granted.read(&base.join(path), true).is_ok(), is, "{path}");
        }
        // The link itself.
        assert!(granted.write(&base.join("in/etc"), false).is_ok());
        std::fs::remove_dir_all(base).expect("remove");
    }

    #[test]
    fn an_apps_own_code_and_packages_are_loaded_without_a_flag() {
        let none = Permissions::default();
        let main = Path::new("/srv/app/main.js");
        for (path, is) in [
            ("/srv/app/lib/a.js", true),
            ("/srv/app/node_modules/p/index.js", true),
            ("/srv/node_modules/p/index.js", true),
            ("/srv/other/node_modules/p/index.js", false),
            ("/srv/lib.js", false),
            ("/etc/passwd", false),
        ] {
            assert_eq!(none.load(path.as_ref(), main).is_ok(), is, "{path}");
        }
        assert!(none.load("/etc/passwd".as_ref(), "/main.js".as_ref()).is_err());
        assert!(none.load("/main.cjs".as_ref(), "/main.cjs".as_ref()).is_ok());
        assert!(none.load("/etc/passwd".as_ref(), "<cmdline>".as_ref()).is_err());
    }
}
