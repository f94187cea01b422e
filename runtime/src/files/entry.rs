//! A file as it is served: itself, its coded siblings, and the head of each answer.
//!
//! Owns: validators, the fields that do not depend on the request, small contents. Must not know: requests, how long an
//! entry is good.

use std::cell::Cell;
use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::http::codings::SiblingCoding;
use super::http::conditions::{date_text, now_s};
use super::http::kinds;
use super::opened::{Facts, Kind, OpenError, OpenFile, Root};
use crate::header_list::HeaderList;
use crate::io::file;

/// Files of up to so many bytes are kept in memory.
pub const CONTENTS_BYTES_MAX: u64 = 64 << 10;
/// The clock of a file's times may stand still for so long (a tick of a kernel with 100 a second, twice over): of two
/// changes within it the second may show in nothing.
const RACE_NS: u128 = 20_000_000;

/// When what is served under a name may be called immutable.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
pub enum Immutable {
    /// Where the name has a hash in it: see [`kinds::is_hashed`].
    #[default]
    ByName,
    /// Always.
    All,
    /// Never.
    None,
}

/// How files are served.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Rules {
    /// What a folder shows, if it is there: names of files, the first counts.
    pub index: Vec<String>,
    /// A folder without such a file shows what it has.
    pub listing: bool,
    /// Names that begin with a dot are served.
    pub dotfiles: bool,
    /// Siblings `.br`, `.zst` and `.gz` are served to who takes them.
    pub precompressed: bool,
    /// Cache-Control, instead of what follows from the next two; an empty one: none.
    pub cache_control: Option<String>,
    /// For how many seconds a file may be used without asking, pages aside.
    pub max_age_s: u64,
    /// Which files never change.
    pub immutable: Immutable,
    /// There is an ETag.
    pub etag: bool,
    /// Instead of what the name says.
    pub content_type: Option<String>,
    /// Further fields of each answer with contents.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            index: vec!["index.html".into()],
            listing: false,
            dotfiles: false,
            precompressed: true,
            cache_control: None,
            max_age_s: 0,
            immutable: Immutable::ByName,
            etag: true,
            content_type: None,
            fields: Vec::new(),
        }
    }
}

impl Rules {
    fn cache_control(&self, name: &[u8], is_page: bool) -> Option<String> {
        if let Some(given) = &self.cache_control {
            return (!given.is_empty()).then(|| given.clone());
        }
        let is_immutable = match self.immutable {
            Immutable::ByName => kinds::is_hashed(name) && !is_page,
            Immutable::All => true,
            Immutable::None => false,
        };
        Some(match self.max_age_s {
            _ if is_immutable => "public, max-age=31536000, immutable".into(),
            0 => "no-cache".into(),
            _ if is_page => "no-cache".into(),
            age => format!("public, max-age={age}"),
        })
    }
}

/// A file and its siblings, open.
pub type Opened = [Option<OpenFile>; 4];
/// What each of them is.
pub type AllFacts = [Option<Facts>; 4];

/// What of a file was in the kernel's memory, and when. To ask costs a tenth of a millisecond for 8 MiB (cachestat(2)),
/// a thirtieth of what it costs to send them.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Which bytes.
    pub range: (u64, u64),
    /// When the first of them were asked for.
    pub at: Instant,
}

/// One representation.
#[derive(Debug)]
pub struct Variant {
    /// The open file. Without use where the contents are in memory.
    pub file: Option<OpenFile>,
    /// Its bytes.
    pub size: u64,
    /// All of it, where it is small.
    pub contents: Option<Bytes>,
    /// What of it was found in the kernel's memory last.
    pub resident: Cell<Option<Resident>>,
    /// ETag, as it is sent.
    pub etag: Option<Box<str>>,
    /// Last-Modified, in seconds since 1970.
    pub modified_s: Option<u64>,
    /// The fields of an answer with contents.
    pub fields: HeaderList,
    /// The fields of 304.
    pub short_fields: HeaderList,
}

/// A file as it is served.
#[derive(Debug)]
pub struct FileEntry {
    /// Content-Type.
    pub content_type: Box<str>,
    plain: Variant,
    coded: [Option<Variant>; 3],
    facts: AllFacts,
    /// One of them changed so lately that it may have changed again without a trace.
    is_racy: bool,
}

fn coding_of(place: usize) -> Option<SiblingCoding> {
    place.checked_sub(1).map(|place| SiblingCoding::ALL[place])
}

/// Opens the regular file at `path` below `root` and what is beside it.
///
/// # Errors
/// There is no such file.
pub fn open(
    root: &Root,
    file: OpenFile,
    path: &[u8],
    rules: &Rules,
    at_once: bool,
) -> Result<Opened, OpenError> {
    let mut all = [Some(file), None, None, None];
    if rules.precompressed {
        for coding in SiblingCoding::ALL {
            let sibling = [path, coding.suffix().as_bytes()].concat();
            all[coding as usize + 1] = match root.open_file(&sibling, at_once) {
                Ok(found) if found.kind == Kind::File => Some(found),
                Ok(_) | Err(OpenError::Missing) => None,
                Err(error) => return Err(error),
            };
        }
    }
    Ok(all)
}

/// What `opened` are.
pub fn facts(opened: &Opened) -> AllFacts {
    opened.each_ref().map(|file| file.as_ref().map(|file| file.facts))
}

impl FileEntry {
    /// Of what is open under `name`. With `at_once` never waits for a disk.
    ///
    /// # Errors
    /// It cannot be read; `WouldBlock` with `at_once` only.
    pub fn new(opened: Opened, name: &[u8], rules: &Rules, at_once: bool) -> Result<FileEntry, OpenError> {
        let content_type = match &rules.content_type {
            Some(given) => given.clone(),
            None => kinds::content_type(name).into_owned(),
        };
        let is_page = content_type.starts_with("text/html");
        let cache_control = rules.cache_control(name, is_page);
        let facts = facts(&opened);
        let is_varied = facts[1..].iter().any(Option::is_some);
        let is_racy = facts.iter().flatten().any(is_racy);
        let mut variants = [const { None }; 4];
        for (place, file) in opened.into_iter().enumerate() {
            let Some(file) = file else { continue };
            let contents = contents(&file, at_once)?;
            let coding = coding_of(place);
            let etag = rules.etag.then(|| etag(&file.facts, coding, is_racy).into_boxed_str());
            // No later than the Date of answers (RFC 9110 section 8.8.2.1).
            let modified_s = u64::try_from(file.facts.modified.0).ok().map(|modified| modified.min(now_s()));
            let (mut fields, mut short_fields) = (HeaderList::default(), HeaderList::default());
            fields.append(b"Content-Type", content_type.as_bytes());
            fields.append(b"Accept-Ranges", b"bytes");
            fields.append(b"X-Content-Type-Options", b"nosniff");
            if let Some(coding) = coding {
                fields.append(b"Content-Encoding", coding.name().as_bytes());
            }
            if let Some(modified_s) = modified_s {
                fields.append(b"Last-Modified", date_text(modified_s).as_bytes());
            }
            // Those of 304, too (section 15.4.5).
            for list in [&mut fields, &mut short_fields] {
                if let Some(etag) = &etag {
                    list.append(b"ETag", etag.as_bytes());
                }
                if let Some(cache_control) = &cache_control {
                    list.append(b"Cache-Control", cache_control.as_bytes());
                }
                if is_varied {
                    list.append(b"Vary", b"Accept-Encoding");
                }
            }
            if let (None, Some(modified_s)) = (&etag, modified_s) {
                short_fields.append(b"Last-Modified", date_text(modified_s).as_bytes());
            }
            rules.fields.iter().for_each(|(name, _)| fields.delete(name));
            for (name, value) in &rules.fields {
                fields.append(name, value);
                if short_fields.has(name) {
                    short_fields.set(name, value);
                }
            }
            let size = file.facts.size;
            let file = contents.is_none().then_some(file);
            let resident = Cell::default();
            variants[place] =
                Some(Variant { file, size, contents, resident, etag, modified_s, fields, short_fields });
        }
        let [Some(plain), coded @ ..] = variants else { return Err(OpenError::Missing) };
        Ok(FileEntry { content_type: content_type.into(), plain, coded, facts, is_racy })
    }

    /// The representation in `coding`; where that is not there, the file as it is.
    pub fn variant(&self, coding: Option<SiblingCoding>) -> &Variant {
        coding.and_then(|coding| self.coded[coding as usize].as_ref()).unwrap_or(&self.plain)
    }

    fn variants(&self) -> impl Iterator<Item = &Variant> {
        std::iter::once(&self.plain).chain(self.coded.iter().flatten())
    }

    /// Whether it is there in `coding`.
    pub fn has(&self, coding: SiblingCoding) -> bool {
        self.coded[coding as usize].is_some()
    }

    /// Whether it is there in any.
    pub fn is_varied(&self) -> bool {
        self.coded.iter().any(Option::is_some)
    }

    /// What its files are, where one can tell by that that they have not changed.
    pub fn facts(&self) -> Option<AllFacts> {
        (!self.is_racy).then_some(self.facts)
    }

    /// Files that it keeps open, at least 1.
    pub fn open_files(&self) -> usize {
        self.variants().filter(|variant| variant.file.is_some()).count().max(1)
    }

    /// Bytes of contents that it keeps, and about what else it takes.
    pub fn kept_bytes(&self) -> usize {
        let bytes = |variant: &Variant| variant.contents.as_ref().map_or(0, Bytes::len) + 1024;
        self.variants().map(bytes).sum()
    }
}

fn is_racy(facts: &Facts) -> bool {
    let since = |(seconds, nanoseconds): (i64, i64)| {
        let at =
            u128::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        now.saturating_sub(at)
    };
    since(facts.modified).min(since(facts.changed)) < RACE_NS
}

/// An entity tag for what `facts` tell apart. It is strong (RFC 9110 section 8.8.1): any write to the file changes the
/// time of its last change, which programs cannot set; the file that takes its place has another number; and one whose
/// times are so new that the next write could leave them as they are has a weak tag until it is older. Each coding has
/// its own.
fn etag(facts: &Facts, coding: Option<SiblingCoding>, is_weak: bool) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let numbers = [
        facts.place.0,
        facts.place.1,
        facts.size,
        facts.modified.0.cast_unsigned(),
        facts.modified.1.cast_unsigned(),
        facts.changed.0.cast_unsigned(),
        facts.changed.1.cast_unsigned(),
    ];
    numbers.iter().for_each(|number| digest.update(&number.to_le_bytes()));
    let mut tag = String::from(if is_weak { "W/\"" } else { "\"" });
    for byte in &digest.finish().as_ref()[..12] {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    if let Some(coding) = coding {
        tag.push('-');
        tag.push_str(coding.name());
    }
    tag.push('"');
    tag
}

/// The contents of a small file; `None` for a large one, and for one that changes at this moment.
fn contents(file: &OpenFile, at_once: bool) -> Result<Option<Bytes>, OpenError> {
    let size = file.facts.size;
    if size > CONTENTS_BYTES_MAX {
        return Ok(None);
    }
    let length = size as usize;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let (left, offset) = (length - bytes.len(), bytes.len() as u64);
        let got = match at_once {
            true => file::read_now(file.fd.as_fd(), &mut bytes, left, offset),
            false => {
                let spare = rustix::buffer::spare_capacity(&mut bytes);
                rustix::io::pread(&*file.fd, spare, offset).map_err(Into::into)
            }
        };
        match got {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(OpenError::WouldBlock);
            }
            Err(error) => return Err(OpenError::Failed(error)),
        }
    }
    bytes.truncate(length);
    Ok(file.is_same().then(|| bytes.into()))
}
