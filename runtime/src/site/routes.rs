//! The routes of a site: from the path of a request to the file that answers it.
//!
//! Owns: the order in which routes are tried, segment by segment: a literal one, a parameter, the rest. Must not know:
//! what a route does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::names;
use super::pattern::{self, Segment};
use super::scan::{SiteScript, SourceFile};
use super::{FindHandlers, FoundHandlers};
use crate::error::{Error, ErrorKind, Result};

/// A source that may be a route.
#[derive(Debug)]
pub struct RouteFile {
    /// Its file, from the root of the file system.
    pub path: PathBuf,
    /// The same from the site's folder.
    pub rel: String,
    /// The folder that it is in, from the site's: empty for the site's own.
    pub folder: String,
    segments: Vec<Segment>,
    /// Whether it has handlers, once that is known.
    is_route: OnceLock<bool>,
    find: FindHandlers,
}

/// A value that the path of a request gives a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// Of `[name]`, decoded.
    One(String),
    /// Of `[...name]`, each decoded.
    Many(Vec<String>),
}

/// A route that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The number of its file.
    pub number: usize,
    /// Names and values, in the order of the path; an optional rest that is empty is not there.
    pub params: Vec<(String, Param)>,
}

/// All routes.
#[derive(Debug)]
pub struct Routes {
    files: Vec<RouteFile>,
    scripts: Vec<SiteScript>,
    /// The tree of segments; the first is the root.
    nodes: Vec<Node>,
    by_rel: HashMap<String, usize>,
    find: FindHandlers,
}

/// A place in the tree. Numbers are those of files.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    param: Option<usize>,
    /// What ends here.
    ends: Vec<usize>,
    /// What takes all segments from here on, at least one.
    rest: Vec<usize>,
    /// What takes none, too.
    optional_rest: Vec<usize>,
}

impl RouteFile {
    /// Whether it has handlers: its text says so, which is read with the first call. One that cannot be read has.
    pub fn is_route(&self) -> bool {
        *self.is_route.get_or_init(|| is_route(self.find, &self.path, &self.rel))
    }

    /// Whether it stands for its folder.
    pub fn is_index(&self) -> bool {
        names::source(self.rel.rsplit('/').next().unwrap_or_default())
            .is_some_and(|(stem, _)| stem == "index")
    }

    /// Whether that is known without reading.
    pub fn is_known(&self) -> bool {
        self.is_route.get().is_some()
    }
}

/// Whether the source at `path`, which is `rel` in its site, answers requests. What does not parse does: nobody may see
/// it, and who asks for it hears of the error.
fn is_route(find: FindHandlers, path: &Path, rel: &str) -> bool {
    let Ok(text) = std::fs::read(path) else { return true };
    match find(rel, &text) {
        FoundHandlers::Named => true,
        FoundHandlers::Default | FoundHandlers::Unknown => !names::is_for_browsers(rel),
        FoundHandlers::None => false,
    }
}

impl Routes {
    pub(super) fn new(
        root: &Path,
        sources: Vec<SourceFile>,
        scripts: Vec<SiteScript>,
        find: FindHandlers,
        warnings: &mut Vec<String>,
    ) -> Result<Routes> {
        let mut routes =
            Routes { files: Vec::new(), scripts, nodes: vec![Node::default()], by_rel: HashMap::new(), find };
        for SourceFile { path, rel } in sources {
            let Some((stem, _)) = names::source(&rel) else { continue };
            match pattern::segments(stem) {
                Ok(segments) => routes.add(path, rel, segments),
                Err(why) => warnings.push(format!("{}: no route: {why}", root.join(&rel).display())),
            }
        }
        routes.sort();
        routes.refuse_twins()?;
        Ok(routes)
    }

    fn add(&mut self, path: PathBuf, rel: String, segments: Vec<Segment>) {
        let number = self.files.len();
        let mut at = 0;
        let mut rest = None;
        for segment in &segments {
            match segment {
                Segment::Literal(text) => {
                    at = match self.nodes[at].literals.get(text) {
                        Some(next) => *next,
                        None => {
                            let next = self.node();
                            self.nodes[at].literals.insert(text.clone(), next);
                            next
                        }
                    };
                }
                Segment::Param(_) => {
                    at = match self.nodes[at].param {
                        Some(next) => next,
                        None => {
                            let next = self.node();
                            self.nodes[at].param = Some(next);
                            next
                        }
                    };
                }
                Segment::Rest { optional, .. } => rest = Some(*optional),
            }
        }
        let node = &mut self.nodes[at];
        match rest {
            None => node.ends.push(number),
            Some(false) => node.rest.push(number),
            Some(true) => node.optional_rest.push(number),
        }
        let folder = rel.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        self.by_rel.insert(rel.clone(), number);
        self.files.push(RouteFile {
            path,
            rel,
            folder,
            segments,
            is_route: OnceLock::new(),
            find: self.find,
        });
    }

    fn node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Of files for one path the order of their endings counts.
    fn sort(&mut self) {
        let rank = |number: &usize| names::source(&self.files[*number].rel).map(|(_, rank)| rank);
        for node in &mut self.nodes {
            for list in [&mut node.ends, &mut node.rest, &mut node.optional_rest] {
                list.sort_by_key(rank);
            }
        }
    }

    /// Where several files stand for one path, one alone may have handlers: only those are read for it at start.
    fn refuse_twins(&self) -> Result<()> {
        for node in &self.nodes {
            for list in [&node.ends, &node.rest, &node.optional_rest] {
                if list.len() < 2 {
                    continue;
                }
                let mut routes = list.iter().map(|number| &self.files[*number]).filter(|it| it.is_route());
                if let (Some(one), Some(other)) = (routes.next(), routes.next()) {
                    let text = format!("{} and {} are routes for one path", one.path.display(), other.rel);
                    return Err(Error::new(ErrorKind::Usage, text).remedy("Rename one of the two."));
                }
            }
        }
        Ok(())
    }

    /// Whether there is no source that may be one.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many sources may be one.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &RouteFile> {
        self.files.iter()
    }

    pub(super) fn is_source_of_route(&self, path: &Path, rel: &str) -> bool {
        is_route(self.find, path, rel)
    }

    /// A file, by its number.
    pub fn file(&self, number: usize) -> &RouteFile {
        &self.files[number]
    }

    /// The number of the source at `rel`, from the site's folder.
    pub fn number(&self, rel: &str) -> Option<usize> {
        self.by_rel.get(rel).copied()
    }

    pub(super) fn scripts(&self) -> &[SiteScript] {
        &self.scripts
    }

    /// The route for the path of a request, as it was sent and without its query. One slash at its end makes no
    /// difference.
    pub fn find(&self, path: &str) -> Option<Matched> {
        self.find_by(path, &mut RouteFile::is_route)
    }

    /// The files that have to be read before [`find`](Self::find) for that path reads none.
    pub fn unknown(&self, path: &str) -> Vec<usize> {
        let mut unknown = Vec::new();
        let found = self.find_by(path, &mut |file| {
            if !file.is_known() {
                unknown.extend(self.number(&file.rel));
            }
            file.is_known() && file.is_route()
        });
        if found.is_some() && unknown.is_empty() {
            return Vec::new();
        }
        unknown
    }

    fn find_by(&self, path: &str, is_route: &mut dyn FnMut(&RouteFile) -> bool) -> Option<Matched> {
        if self.files.is_empty() {
            return None;
        }
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(names::decoded).collect::<Option<Vec<_>>>()?,
        };
        // An empty segment is none that a route could have.
        if segments.iter().any(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return None;
        }
        let number = self.descend(0, &segments, is_route)?;
        Some(Matched { number, params: self.params(number, segments) })
    }

    fn descend(
        &self,
        at: usize,
        segments: &[String],
        is_route: &mut dyn FnMut(&RouteFile) -> bool,
    ) -> Option<usize> {
        let node = &self.nodes[at];
        let Some((first, after)) = segments.split_first() else {
            let all = node.ends.iter().chain(&node.optional_rest);
            return all.copied().find(|number| is_route(&self.files[*number]));
        };
        if let Some(next) = node.literals.get(first)
            && let Some(found) = self.descend(*next, after, is_route)
        {
            return Some(found);
        }
        if let Some(next) = node.param
            && let Some(found) = self.descend(next, after, is_route)
        {
            return Some(found);
        }
        let all = node.rest.iter().chain(&node.optional_rest);
        all.copied().find(|number| is_route(&self.files[*number]))
    }

    fn params(&self, number: usize, values: Vec<String>) -> Vec<(String, Param)> {
        let mut params = Vec::new();
        let mut values = values.into_iter();
        for segment in &self.files[number].segments {
            match segment {
                Segment::Literal(_) => drop(values.next()),
                Segment::Param(name) => {
                    params.extend(values.next().map(|value| (name.clone(), Param::One(value))));
                }
                Segment::Rest { name, .. } => {
                    let rest: Vec<String> = values.by_ref().collect();
                    if !rest.is_empty() {
                        params.push((name.clone(), Param::Many(rest)));
                    }
                }
            }
        }
        params
    }
}
