//! `jsserve:files`: files as responses, by the same rules as `--static`.
//!
//! Owns: options of JavaScript, the promise of a response. Must not know: what RFC 9110 says of files (`files` does), who
//! sends them. The interface is described in `files.d.ts`.
#![forbid(unsafe_code)]

mod options;

use std::cell::RefCell;
use std::ffi::CStr;
use std::future::Future;
use std::io::Result as IoResult;
use std::os::unix::ffi::OsStrExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use percent_encoding::percent_decode;
use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Object, Result, Value};

use crate::files::{
    FileAnswer, FileAnswerBody, FileBody, FilePath, FileRequest, Folder, Found, Method, Rules, answer,
};
use crate::header_list::HeaderList;
use crate::io;
use crate::js::class::{self, Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::{deferred, exception, permit, promise};
use crate::modules::web::fetch::body::{Body, Source};
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::modules::web::streams::source::{ByteSource, Memory};
use crate::permissions::Access;
use options::Options;

/// Folders with rules of their own that an engine keeps; who has more opens them anew.
const FOLDERS_MAX: usize = 64;

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<Files, _>(ctx.clone(), name)
}

struct Files;

const EXPORTS: [&str; 2] = ["serveDir", "serveFile"];

impl ModuleDef for Files {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        EXPORTS.iter().try_for_each(|name| declarations.declare(*name).map(drop))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let files = Object::new(ctx.clone())?;
        function::install::<Files>(ctx, &files)?;
        for name in EXPORTS {
            exports.export(name, files.get::<_, Value>(name)?)?;
        }
        exports.export("default", files)?;
        Ok(())
    }
}

impl Functions for Files {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"serveDir", 2, |scope| promise::reject_on_error(scope.ctx, serve_dir(scope))),
        (c"serveFile", 3, |scope| promise::reject_on_error(scope.ctx, serve_file(scope))),
    ];
}

/// The folders of one engine, by what they were asked for with.
#[derive(Default)]
struct Folders(RefCell<Vec<(Option<String>, Rc<Folder>)>>);

impl Folders {
    fn of(ctx: &Ctx<'_>, path: Option<String>, rules: Rules) -> Rc<Folder> {
        let folders = State::of(ctx).extension::<Folders>();
        let mut all = folders.0.borrow_mut();
        let known = all.iter().find(|(known, folder)| *known == path && *folder.rules() == rules);
        if let Some((_, folder)) = known {
            return folder.clone();
        }
        if all.len() == FOLDERS_MAX {
            all.remove(0);
        }
        let folder = Rc::new(Folder::new(path.as_ref().map(Into::into), rules));
        all.push((path, folder.clone()));
        folder
    }
}

/// What a request asks for.
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) fields: FileRequest,
    /// Path and query.
    pub(super) target: String,
}

impl Asking {
    /// What the Request in argument 0 of `function` asks for.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn of(scope: &Scope<'_, '_>, function: &str) -> Result<Asking> {
        let value = scope.arg(0);
        let Some(request) = class::get::<Request>(&value) else {
            return Err(exception::type_error(
                scope.ctx,
                &format!("{function}: argument 1 is not a Request"),
            ));
        };
        let mut fields = FileRequest::default();
        request.for_each_field(&mut |name, value| fields.add(name, value));
        Ok(Asking { method: Method::of(request.method().as_bytes()), fields, target: request.target() })
    }

    /// The path alone.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// `serveFile(request, path, options)`.
fn serve_file<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "serveFile")?;
    let ctx = scope.ctx;
    let asking = Asking::of(scope, "serveFile")?;
    let path = options::path(ctx, &scope.arg(1))?;
    let path = permit::path(ctx, path.as_ref(), &[Access::Read], true)?;
    let bytes = path.as_os_str().as_bytes().to_vec();
    let Options { mut rules, status, .. } = Options::read(ctx, &scope.arg(2), "serveFile")?;
    // A folder is none that could be served.
    rules.index.clear();
    let folder = Folders::of(ctx, None, rules);
    respond(ctx, asking, status, async move { folder.look(FilePath { bytes }, b"").found().await })
}

/// `serveDir(request, options)`.
fn serve_dir<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "serveDir")?;
    let ctx = scope.ctx;
    let asking = Asking::of(scope, "serveDir")?;
    let Options { rules, root, prefix, fallback, status } = Options::read(ctx, &scope.arg(1), "serveDir")?;
    permit::path(ctx, root.as_ref(), &[Access::Read], true)?;
    let folder = Folders::of(ctx, Some(root), rules);
    let path = FilePath::of(asking.path().as_bytes(), &prefix, folder.rules().dotfiles);
    let shown: Vec<u8> = match folder.rules().listing {
        true => percent_decode(asking.path().as_bytes()).collect(),
        false => Vec::new(),
    };
    let is_below =
        asking.path().strip_prefix(&*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let fallback = fallback.filter(|_| is_below && asking.method.is_read() && asking.fields.wants_page);
    respond(ctx, asking, status, async move {
        if let Some(path) = path {
            let found = folder.look(path, &shown).found().await?;
            if !matches!(found, Found::Missing) {
                return Ok(found);
            }
        }
        match fallback {
            Some(name) => match folder.look(FilePath { bytes: name.into_bytes() }, b"").found().await? {
                Found::File(file) => Ok(Found::File(file)),
                _ => Ok(Found::Missing),
            },
            None => Ok(Found::Missing),
        }
    })
}

/// A promise of the response for what `finding` finds.
fn respond<'js>(
    ctx: &Ctx<'js>,
    asking: Asking,
    status: u16,
    finding: impl Future<Output = IoResult<Found>> + 'static,
) -> Result<Value<'js>> {
    respond_with(ctx, finding, move |ctx, found| {
        let answer = answer(&found, &asking.fields, asking.method, asking.target.as_bytes(), status);
        let answer = answer.unwrap_or_else(|| FileAnswer::status(404));
        made(ctx, &answer, answer.fields().clone())
    })
}

/// A promise of what `make` makes of what `finding` finds; settled already where nothing has to be waited for.
///
/// # Errors
/// What `make` throws then.
pub(super) fn respond_with<'js, T: 'static>(
    ctx: &Ctx<'js>,
    finding: impl Future<Output = IoResult<T>> + 'static,
    make: impl for<'a> FnOnce(&Ctx<'a>, T) -> Result<Value<'a>> + 'static,
) -> Result<Value<'js>> {
    let mut finding: Pin<Box<dyn Future<Output = IoResult<T>>>> = Box::pin(finding);
    if let Poll::Ready(found) = finding.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        let response = make(ctx, found.map_err(|error| unservable(ctx, &error))?)?;
        return promise::settled(ctx, Ok(response));
    }
    let (promise, deferred) = deferred::deferred(ctx)?;
    io::spawn(async move {
        let found = finding.await;
        deferred.settle(|ctx| make(ctx, found.map_err(|error| unservable(ctx, &error))?));
    });
    Ok(promise)
}

fn unservable(ctx: &Ctx<'_>, error: &std::io::Error) -> rquickjs::Error {
    exception::type_error(ctx, &format!("the file cannot be served: {error}"))
}

/// The response that an answer is, with these fields in place of its own.
///
/// # Errors
/// Out of memory.
pub(super) fn made<'js>(ctx: &Ctx<'js>, answer: &FileAnswer, fields: HeaderList) -> Result<Value<'js>> {
    let body = match &answer.body {
        FileAnswerBody::Null => Source::Null,
        FileAnswerBody::Memory(bytes) => Source::Native(Memory::source(bytes.clone())),
        FileAnswerBody::File(file) => Source::Native(Rc::new(FileSource(file.clone()))),
    };
    class::instance(ctx, Response::made(answer.status, fields, Body::new(body)))
}

/// A file as the body of a response.
struct FileSource(Rc<FileBody>);

impl ByteSource for FileSource {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, String>>> {
        self.0.poll_piece(cx).map(|next| next.map(|piece| piece.map_err(|error| error.to_string())))
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    fn file(&self) -> Option<Rc<FileBody>> {
        Some(self.0.clone())
    }
}
