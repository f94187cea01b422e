//! The app that a folder is.
//!
//! Owns: that its one method is the `fetch` of a built-in module. Must not know: routes, files.

use std::rc::Rc;
use std::sync::Arc;

use super::callee::Callee;
use super::methods::{METHODS, Method};
use super::{Blueprint, Instance, env_object};
use crate::error::Result;
use crate::js::engine::Engine;
use crate::js::thrown::Thrown;
use crate::modules::own::site;
use crate::site::Site;

/// The app that a folder is: its routes are loaded when they are first asked for.
///
/// # Errors
/// There is no memory for it.
pub(super) fn load(blueprint: &Blueprint, served: &Arc<Site>, engine: Rc<Engine>) -> Result<Rc<Instance>> {
    let config = &blueprint.config;
    let found = engine.turn(|ctx| {
        let find = || {
            let app = site::app(ctx, served, &config.files, config.dev)?;
            Callee::find(&app, "fetch", &env_object(ctx, &config.env)?)
        };
        find().map_err(|error| Thrown::of(ctx, &error))
    });
    let mut callees = [const { None }; METHODS];
    callees[Method::Fetch as usize] = found.map_err(|thrown| blueprint.app_error(&thrown))?;
    Ok(Rc::new(Instance { callees, tcp: None, engine }))
}
