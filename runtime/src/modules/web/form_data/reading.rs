//! A body on its way to a form: of either content type, in chunks.
//!
//! Owns: [`Reading`], what it becomes. Must not know: where the chunks come from. It holds no
//! JavaScript, so a task may have it.

use data_url::mime::Mime;
use rquickjs::{Ctx, Result, Value};

use super::parts::{Parser, Wrong};
use super::{Entry, File, FormData, constructor, text_of};
use crate::js::class;
use crate::js::held::Held;
use crate::modules::web::streams::source::{Collect, Refused};

/// What collects a form.
pub struct Reading(Kind);

enum Kind {
    Multipart(Box<Parser>),
    /// application/x-www-form-urlencoded: whole, as it is small.
    Urlencoded(Vec<u8>),
    /// The content type says so.
    Refused(&'static str),
}

impl Reading {
    /// Of a body of type `kind`. One that cannot be a form's is refused with the body's first bytes.
    pub fn new(kind: Option<&Mime>) -> Reading {
        let is = |a, b| kind.filter(|kind| kind.matches(a, b));
        if is("application", "x-www-form-urlencoded").is_some() {
            return Reading(Kind::Urlencoded(Vec::new()));
        }
        let Some(kind) = is("multipart", "form-data") else {
            return Reading(Kind::Refused("the body's content type is none of a form"));
        };
        match kind.get_parameter("boundary").filter(|boundary| !boundary.is_empty()) {
            Some(boundary) => Reading(Kind::Multipart(Box::new(Parser::new(boundary)))),
            None => Reading(Kind::Refused("the body is no multipart/form-data: its type names no boundary")),
        }
    }
}

fn refused(wrong: Wrong) -> Refused {
    match wrong {
        Wrong::Malformed(why) => Refused::Type(format!("the body is no multipart/form-data: {why}")),
        Wrong::TooMany => Refused::Range(super::TOO_MANY.into()),
    }
}

impl Collect for Reading {
    fn add(&mut self, bytes: &[u8]) -> std::result::Result<(), Refused> {
        match &mut self.0 {
            Kind::Multipart(parser) => parser.feed(bytes).map_err(refused),
            Kind::Urlencoded(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            Kind::Refused(why) => Err(Refused::Type((*why).to_owned())),
        }
    }

    fn owned_bytes(&self) -> usize {
        match &self.0 {
            Kind::Multipart(parser) => parser.owned_bytes(),
            Kind::Urlencoded(all) => all.len(),
            Kind::Refused(_) => 0,
        }
    }

    /// The `FormData` object.
    fn finish<'js>(self: Box<Self>, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        constructor(ctx)?;
        let form = FormData::default();
        match self.0 {
            Kind::Multipart(parser) => {
                for part in parser.finish().map_err(|wrong| refused(wrong).throw(ctx))? {
                    let entry = match part.head.filename {
                        None => Entry::Text(text_of(part.body)),
                        Some(name) => {
                            let kind = part.head.kind.as_deref().unwrap_or("text/plain");
                            Entry::File(Held::new(File::make(ctx, part.body, &name, kind)?))
                        }
                    };
                    form.push(ctx, part.head.name, entry)?;
                }
            }
            Kind::Urlencoded(all) => {
                for (name, text) in url::form_urlencoded::parse(&all) {
                    form.push(ctx, name.into_owned(), Entry::Text(text.into_owned()))?;
                }
            }
            Kind::Refused(why) => return Err(Refused::Type(why.to_owned()).throw(ctx)),
        }
        class::instance(ctx, form)
    }
}
