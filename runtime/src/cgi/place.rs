//! From the path of a request to a script, and what follows it.
//!
//! Owns: which file is meant (RFC 3875 section 3.2), what may follow it in PATH_INFO. Must not know: processes.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::c_path;
use crate::config::CgiFolder;
use crate::files::{FilePath, Kind, OpenError, Root};

/// What there is for a path.
#[derive(Debug)]
pub enum Place {
    /// A file that can be executed.
    Script(CgiScript),
    /// A file of JavaScript, or TypeScript, that nobody can execute: it runs here.
    JavaScript(CgiScript),
    /// Any other file that nobody can execute.
    NotExecutable(PathBuf),
    /// A folder.
    Folder,
    /// Nothing.
    Missing,
}

/// A script, and what the request says behind its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgiScript {
    /// Its file, from the root of the file system: SCRIPT_FILENAME.
    pub file: CString,
    /// The folder that it is in.
    pub folder: CString,
    /// The folder of the flag that it was found in.
    pub root: PathBuf,
    /// SCRIPT_NAME: the path that leads to it, decoded.
    pub name: Vec<u8>,
    /// PATH_INFO: the path behind that, decoded; empty where there is none.
    pub path_info: Vec<u8>,
}

impl CgiScript {
    /// Its file, for the log.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(self.file.to_bytes()).into_owned()
    }

    /// Whether its output is a whole response (RFC 3875 section 5): it is called so.
    pub fn is_nph(&self) -> bool {
        let name = self.file.to_bytes();
        name.rsplit(|b| *b == b'/').next().is_some_and(|name| name.starts_with(b"nph-"))
    }
}

/// A folder of scripts.
pub(super) struct ScriptFolder {
    path: PathBuf,
    prefix: String,
}

impl ScriptFolder {
    pub(super) fn of(folder: &CgiFolder) -> ScriptFolder {
        ScriptFolder { path: folder.folder.clone(), prefix: folder.prefix.clone() }
    }

    /// Whether `path` is below its prefix.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.prefix.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }

    /// The first file that `path` leads to, segment by segment. With `at_once` never waits for a disk.
    pub(super) fn locate(&self, path: &[u8], at_once: bool) -> Result<Place, OpenError> {
        let root = match Root::open(&self.path) {
            Ok(root) => root,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Missing),
            Err(error) => return Err(OpenError::Failed(error)),
        };
        let start = self.prefix.len();
        let ends = path.iter().enumerate().skip(start + 1).filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let Some(file) = FilePath::of(&path[..end], &self.prefix, false) else {
                return Ok(Place::Missing);
            };
            // An empty segment, or the folder of the flag itself.
            if file.relative().is_empty() || file.is_folder() {
                return Ok(if end == path.len() { Place::Folder } else { Place::Missing });
            }
            match root.look(file.relative(), at_once)? {
                (Kind::Folder, _) => {}
                (Kind::File, mode) => {
                    let whole = self.path.join(OsStr::from_bytes(file.relative()));
                    let is_executable = mode & 0o111 != 0;
                    if !is_executable && !is_javascript(&whole) {
                        return Ok(Place::NotExecutable(whole));
                    }
                    let Some(path_info) = path_info(&path[end..]) else { return Ok(Place::Missing) };
                    let name = [self.prefix.as_bytes(), b"/", file.relative()].concat();
                    let script = self.script(whole, name, path_info);
                    return Ok(if is_executable { Place::Script(script) } else { Place::JavaScript(script) });
                }
            }
        }
        Ok(Place::Folder)
    }

    fn script(&self, file: PathBuf, name: Vec<u8>, path_info: Vec<u8>) -> CgiScript {
        let folder = file.parent().map_or_else(|| c"/".to_owned(), c_path);
        CgiScript { file: c_path(&file), folder, root: self.path.clone(), name, path_info }
    }
}

/// Whether a file is called as JavaScript or TypeScript is.
fn is_javascript(file: &Path) -> bool {
    let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    ["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"].contains(&extension)
}

/// What stands behind a script's name, decoded; `None`: what no script gets. That is an encoding that is none, a slash
/// that is encoded (section 3.2: nobody could tell it from one that is not), NUL, segments of dots.
fn path_info(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        let byte = if *byte == b'%' {
            at += 2;
            let byte = u8::try_from(digit(path.get(at - 1))? * 16 + digit(path.get(at))?).ok()?;
            if matches!(byte, 0 | b'/') {
                return None;
            }
            byte
        } else {
            *byte
        };
        decoded.push(byte);
        at += 1;
    }
    let is_safe = !decoded.contains(&0)
        && !decoded.split(|b| *b == b'/').any(|segment| matches!(segment, b"." | b".."));
    is_safe.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn shown(folder: &ScriptFolder, path: &str) -> String {
        match folder.locate(path.as_bytes(), false) {
            Ok(Place::Script(script) | Place::JavaScript(script)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{} {}", text(&script.name), text(&script.path_info)).trim_end().to_owned()
            }
            Ok(Place::NotExecutable(_)) => "403".into(),
            Ok(Place::Folder) => "folder".into(),
            Ok(Place::Missing) | Err(OpenError::Missing) => "404".into(),
            Err(error) => format!("{error:?}"),
        }
    }

    // RFC 3875 sections 3.2, 4.1.5, 4.1.13.
    #[test]
    fn the_first_file_on_the_path_is_the_script_and_the_rest_its_path_info() {
        let root = std::env::temp_dir().join(format!("jsserve-cgi-place-{}", std::process::id()));
        fs::create_dir_all(root.join("in/deep")).expect("folders");
        for (name, mode) in [
            ("a", 0o755),
            ("in/b c", 0o111),
            ("in/plain.txt", 0o644),
            ("in/run.tsx", 0o644),
            (".hidden", 0o755),
        ] {
            fs::write(root.join(name), "#!/bin/sh\n").expect("a script");
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("its mode");
        }
        std::os::unix::fs::symlink("/bin/sh", root.join("outside")).expect("a link");
        std::os::unix::fs::symlink("a", root.join("inside")).expect("a link");
        let of = |prefix: &str| ScriptFolder { path: root.clone(), prefix: prefix.into() };
        let (plain, below) = (of(""), of("/cgi-bin"));
        for (path, expected) in [
            ("/a", "/a"),
            ("/a/", "/a /"),
            ("/a/x/y%20z", "/a /x/y z"),
            ("/a//x//", "/a //x//"),
            ("/a/.git/HEAD", "/a /.git/HEAD"),
            ("/a/%2e%2e", "404"),
            ("/a/../in", "404"),
            ("/a/x%2Fy", "404"),
            ("/a/x%00", "404"),
            ("/a/x%zz", "404"),
            ("/%61/x", "/a /x"),
            ("/in/b%20c/x", "/in/b c /x"),
            ("/in/plain.txt", "403"),
            ("/in/plain.txt/x", "403"),
            ("/in/run.tsx/x%20", "/in/run.tsx /x"),
            ("/in", "folder"),
            ("/in/", "folder"),
            ("/in//b%20c", "404"),
            ("/in%2fb%20c", "404"),
            ("/in/deep", "folder"),
            ("/in/none", "404"),
            ("/none/a", "404"),
            ("/.hidden", "404"),
            ("/outside", "404"),
            ("/inside/x", "/inside /x"),
            ("/", "folder"),
            ("/..%2fa", "404"),
        ] {
            assert_eq!(shown(&plain, path), expected, "{path}");
        }
        for (path, expected) in [
            ("/cgi-bin/a/x", "/cgi-bin/a /x"),
            ("/cgi-bin/in/b%20c", "/cgi-bin/in/b c"),
            ("/cgi-bin", "folder"),
            ("/cgi-bin/", "folder"),
        ] {
            assert_eq!(shown(&below, path), expected, "{path}");
        }
        assert!(!below.has(b"/cgi-bina") && !below.has(b"/a") && below.has(b"/cgi-bin"));
        fs::remove_dir_all(root).expect("clean up");
    }
}
