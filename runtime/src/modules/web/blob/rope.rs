//! The bytes of several blobs as one run: what a form is as a body.
//!
//! Owns: [`Rope`], its reading piece by piece. Must not know: forms, bodies. Nothing is copied but by
//! who wants all of it in one place.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Blob;
use crate::modules::web::streams::source::ByteSource;

/// What one chunk of a rope has at most.
const CHUNK_BYTES: usize = 64 << 10;

/// Blobs one after another, none of them empty; clones share them.
#[derive(Clone)]
pub struct Rope(Rc<[Blob]>);

impl Rope {
    /// That of `parts`.
    pub fn new(parts: impl IntoIterator<Item = Blob>) -> Rope {
        Rope(parts.into_iter().filter(|part| !part.bytes.is_empty()).collect())
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.bytes.len()).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes, blob by blob; they are shared.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().map(Blob::bytes)
    }

    /// All of it in one place: a copy, unless it is one blob.
    pub fn joined(&self) -> Bytes {
        match &*self.0 {
            [] => Bytes::new(),
            [only] => only.bytes(),
            parts => {
                let mut all = Vec::with_capacity(self.len());
                parts.iter().for_each(|part| all.extend_from_slice(&part.bytes));
                all.into()
            }
        }
    }

    /// A source of it.
    pub fn source(&self) -> Rc<dyn ByteSource> {
        Rc::new(Unread(RefCell::new(self.0.iter().map(Blob::same).collect())))
    }
}

/// What nobody has read yet.
struct Unread(RefCell<VecDeque<Blob>>);

impl ByteSource for Unread {
    fn poll_bytes(&self, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let mut parts = self.0.borrow_mut();
        let Some(first) = parts.front_mut() else { return Poll::Ready(None) };
        let chunk = first.bytes.split_to(first.bytes.len().min(CHUNK_BYTES));
        if first.bytes.is_empty() {
            parts.pop_front();
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    fn cancel(&self) {
        self.0.take();
    }

    fn whole(&self) -> Option<Bytes> {
        Some(Rope::new(self.0.take()).joined())
    }
}
