//! Static files: found beneath a folder, kept for a while, answered by RFC 9110, read as they are sent.
//!
//! Owns: all of it that is the same for `--static` and for `jsserve:files`; the rules of HTTP are in `http`. Must not
//! know: connections, JavaScript.

mod answer;
mod body;
mod cache;
mod directory;
mod entry;
mod folder;
mod http;
mod opened;
mod path;
mod site;

pub use self::answer::{FileAnswer, FileAnswerBody, answer};
pub use self::body::{FileBody, FileWindow};
pub use self::cache::{CacheLimits, configure};
pub use self::directory::Directory;
pub use self::entry::{Immutable, Rules};
pub use self::folder::{Folder, Found, Look, check};
pub use self::http::asked::{FileRequest, Method};
pub use self::opened::{Kind, OpenError, Root};
pub use self::path::FilePath;
pub use self::site::{Site, Stage};
