//! The app that a folder is: `site.js`, a built-in module whose `fetch` has the routes of the folder answer.
//!
//! Owns: what that module is given: the plan for a path, the loading of a route's file, files as responses. Must not
//! know: how routes are found (`site` does), which files may be seen (`files` does), workers.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::future::Future;
use std::io::Result as IoResult;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Array, Ctx, Module, Object, Result, Value};

use super::files::{Asking, made, respond_with};
use crate::config::StaticFiles;
use crate::files::{Directory, FileAnswer, Found, answer};
use crate::header_list::HeaderList;
use crate::js::class::{self, Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::natives::Natives;
use crate::js::thrown::Thrown;
use crate::js::{exception, internal, permit, promise, value};
use crate::modules::web::fetch::body::{Body, Source};
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::site::{FieldChange, Param, Site, SitePlan};
use crate::source::names;

const MODULE: &str = "jsserve:internal/site/site";

/// The site of an engine.
#[derive(Default)]
struct ServedSite {
    directory: RefCell<Option<Rc<Directory>>>,
    is_dev: Cell<bool>,
}

/// The app that `site` is, in the engine of `ctx`: the object that has its `fetch`.
///
/// # Errors
/// Out of memory.
pub fn app<'js>(ctx: &Ctx<'js>, site: &Arc<Site>, files: &StaticFiles, is_dev: bool) -> Result<Object<'js>> {
    let served = State::of(ctx).extension::<ServedSite>();
    *served.directory.borrow_mut() = Some(Rc::new(Directory::new(site, files)));
    served.is_dev.set(is_dev);
    internal::exports(ctx, MODULE)?.get("default")
}

/// `jsserve:internal/site/natives`; what is about a request has it as argument 0.
pub struct SiteFunctions;

impl Natives for SiteFunctions {}

impl Functions for SiteFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"plan", 1, plan),
        (c"loadRoute", 1, |scope| load(scope, |site, number| site.route(number).path.as_path())),
        (c"loadScript", 1, |scope| load(scope, Site::script)),
        (c"exact", 1, |scope| promise::reject_on_error(scope.ctx, exact(scope))),
        (c"rest", 1, |scope| promise::reject_on_error(scope.ctx, rest(scope))),
        (c"failed", 2, |scope| promise::reject_on_error(scope.ctx, failed(scope))),
        (c"refusal", 2, refusal),
        (c"report", 2, |scope| {
            let request = scope.arg(1);
            let place = class::get::<Request>(&request)
                .map(|request| format!("{} {}", request.method(), request.target()));
            (State::of(scope.ctx).report)(&Thrown::from_value(&scope.arg(0)), &place.unwrap_or_default());
            Ok(scope.undefined())
        }),
        (c"isDev", 0, |scope| {
            let is_dev = State::of(scope.ctx).extension::<ServedSite>().is_dev.get();
            Ok(Value::new_bool(scope.ctx.clone(), is_dev))
        }),
    ];
}

fn directory(ctx: &Ctx<'_>) -> Result<Rc<Directory>> {
    let found = State::of(ctx).extension::<ServedSite>().directory.borrow().clone();
    found.ok_or_else(|| exception::internal_error(ctx, "no folder is served"))
}

/// `plan(request)`.
fn plan<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (directory, target) = (directory(ctx)?, Asking::of(scope, "plan")?.target);
    let SitePlan { route, middleware, errors, failed_page } =
        directory.site().plan(target.split('?').next().unwrap_or_default());
    let object = Object::new(ctx.clone())?;
    object.set_prototype(None)?;
    object.set("route", route.as_ref().map_or(-1, |route| route.number as i32))?;
    object.set("params", route.map(|route| params(ctx, route.params)).transpose()?)?;
    for (name, list) in [("middleware", middleware), ("errors", errors)] {
        let numbers = (!list.is_empty()).then(|| numbers(ctx, &list)).transpose()?;
        object.set(name, numbers)?;
    }
    object.set("page", failed_page)?;
    Ok(object.into_value())
}

fn numbers<'js>(ctx: &Ctx<'js>, list: &[usize]) -> Result<Array<'js>> {
    let array = Array::new(ctx.clone())?;
    for (at, number) in list.iter().enumerate() {
        array.set(at, *number as i32)?;
    }
    Ok(array)
}

fn params<'js>(ctx: &Ctx<'js>, given: Vec<(String, Param)>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    for (name, param) in given {
        let value = match param {
            Param::One(text) => value::string(ctx, &text)?,
            Param::Many(texts) => {
                let array = Array::new(ctx.clone())?;
                for (at, text) in texts.iter().enumerate() {
                    array.set(at, value::string(ctx, text)?)?;
                }
                array.into_value()
            }
        };
        // Defined, not assigned: a parameter may be called __proto__.
        let property = rquickjs::object::Property::from(value);
        object.prop(name, property.writable().configurable().enumerable())?;
    }
    Ok(object)
}

/// A promise of the exports of the file that `path` says for the number in argument 0.
fn load<'js>(scope: &Scope<'_, 'js>, path: fn(&Site, usize) -> &std::path::Path) -> Result<Value<'js>> {
    let directory = directory(scope.ctx)?;
    let number = scope.arg(0).as_int().and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
    let path = path(directory.site(), number).to_string_lossy().into_owned();
    // A route is part of the site, with all that it imports.
    let _linking = permit::linking(State::of(scope.ctx));
    Ok(Module::import(scope.ctx, &*names::specifier(&path))?.into_value())
}

/// `exact(request)`.
fn exact<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (directory, asking) = (directory(scope.ctx)?, Asking::of(scope, "exact")?);
    if !asking.method.is_read() {
        return promise::settled(scope.ctx, Ok(Value::new_null(scope.ctx.clone())));
    }
    let site = directory.site().clone();
    let path = asking.path().to_owned();
    let finding = async move { directory.find(path.as_bytes()).await };
    respond_with(scope.ctx, finding, move |ctx, found| match found {
        Found::File(_) => respond(ctx, &site, &asking, &found, 200),
        _ => Ok(Value::new_null(ctx.clone())),
    })
}

/// `rest(request)`.
fn rest<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (directory, asking) = (directory(scope.ctx)?, Asking::of(scope, "rest")?);
    let (path, is_read) = (asking.path().to_owned(), asking.method.is_read());
    finish(scope.ctx, directory.site().clone(), asking, async move {
        for found in [directory.find(path.as_bytes()).await?, directory.find_page(path.as_bytes()).await?] {
            if !matches!(found, Found::Missing) {
                return Ok((found, 200));
            }
        }
        let page = if is_read { directory.missing_page(&path).await? } else { Found::Missing };
        Ok((page, 404))
    })
}

/// `failed(request, folder)`.
fn failed<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (directory, mut asking) = (directory(scope.ctx)?, Asking::of(scope, "failed")?);
    asking.method = crate::files::Method::Get;
    let folder = value::to_string(&scope.arg(1))?;
    finish(scope.ctx, directory.site().clone(), asking, async move {
        Ok((directory.failed_page(&folder).await?, 500))
    })
}

fn finish<'js>(
    ctx: &Ctx<'js>,
    site: Arc<Site>,
    asking: Asking,
    finding: impl Future<Output = IoResult<(Found, u16)>> + 'static,
) -> Result<Value<'js>> {
    respond_with(ctx, finding, move |ctx, (found, status)| respond(ctx, &site, &asking, &found, status))
}

/// The response with what was found, and the fields of `_headers`.
fn respond<'js>(
    ctx: &Ctx<'js>,
    site: &Site,
    asking: &Asking,
    found: &Found,
    status: u16,
) -> Result<Value<'js>> {
    let answer = answer(found, &asking.fields, asking.method, asking.target.as_bytes(), status);
    // Only what is missing has no answer.
    let answer = answer.unwrap_or_else(|| FileAnswer::status(if status == 200 { 404 } else { status }));
    let mut fields = answer.fields().clone();
    FieldChange::apply(&site.headers.find(asking.path()), &mut fields);
    made(ctx, &answer, fields)
}

/// `refusal(allow, method)`.
fn refusal<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (allow, method) = (value::to_string(&scope.arg(0))?, value::to_string(&scope.arg(1))?);
    let mut fields = HeaderList::default();
    fields.append(b"Allow", allow.as_bytes());
    if method == "OPTIONS" {
        return class::instance(scope.ctx, Response::made(204, fields, Body::new(Source::Null)));
    }
    let answer = FileAnswer::status(405);
    let mut list = answer.fields().clone();
    list.append(b"Allow", allow.as_bytes());
    made(scope.ctx, &answer, list)
}
