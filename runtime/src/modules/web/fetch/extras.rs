//! What an answer has beside its head and its body: early hints before it, trailers behind it.
//!
//! Owns: both, from when the app gives them until they are sent; which fields may stand in them. Must not know: the
//! wire, the rest of the answer.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Result, Value};

use super::header_list::HeaderList;
use super::headers::SharedHeaders;
use crate::js::exception::{range_error, type_error};

/// Early hints of one answer.
pub const HINTS_MAX: usize = 100;
/// Trailers of one answer.
const TRAILERS_MAX: usize = 100;
/// Bytes of them, and of one early hint: what clients take as a header.
const BYTES_MAX: usize = 16 << 10;

/// Fields of a message's framing and of its connection: they stand in no head but the message's own (RFC 9110
/// sections 6.5.1 and 7.6.1).
const OF_MESSAGES: [&[u8]; 9] = [
    b"connection",
    b"content-length",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// What a recipient has to know before the content, and so is no trailer: routing, request modifiers,
/// authentication, control data and the content's format (RFC 9110 section 6.5.1, RFC 7230 section 4.1.2).
const NO_TRAILERS: [&[u8]; 32] = [
    b"accept-encoding",
    b"age",
    b"authentication-info",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"strict-transport-security",
    b"vary",
    b"warning",
    b"www-authenticate",
    b"x-content-type-options",
    b"x-frame-options",
];

/// Where an app puts what its answer has beside head and body, and the task that sends it finds it.
#[derive(Default)]
pub struct Extras {
    /// Early hints that are not sent yet.
    hints: RefCell<Vec<HeaderList>>,
    /// How many there were in all.
    given: Cell<usize>,
    trailers: RefCell<HeaderList>,
    waker: RefCell<Option<Waker>>,
}

impl Extras {
    /// Gives fields that the client is to have at once; who waits for them is woken.
    ///
    /// # Errors
    /// TypeError for what is no HeadersInit or stands in no such head, RangeError beyond the bounds.
    pub fn add_hints<'js>(&self, ctx: &Ctx<'js>, init: &Value<'js>) -> Result<()> {
        let list = checked(ctx, init, "earlyHints", |name| is_one_of(&OF_MESSAGES, name))?;
        if self.given.get() == HINTS_MAX {
            return Err(range_error(ctx, &format!("earlyHints: more than {HINTS_MAX} for one answer")));
        }
        self.given.set(self.given.get() + 1);
        self.hints.borrow_mut().push(list);
        let waker = self.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Adds trailers.
    ///
    /// # Errors
    /// As of hints.
    pub fn add_trailers<'js>(&self, ctx: &Ctx<'js>, init: &Value<'js>) -> Result<()> {
        let is_refused = |name: &[u8]| is_one_of(&OF_MESSAGES, name) || is_one_of(&NO_TRAILERS, name);
        let list = checked(ctx, init, "trailers", is_refused)?;
        let mut trailers = self.trailers.borrow_mut();
        if trailers.len() + list.len() > TRAILERS_MAX || trailers.bytes() + list.bytes() > BYTES_MAX {
            return Err(range_error(ctx, &format!("trailers: more than {TRAILERS_MAX} fields or 16 KiB")));
        }
        list.iter().for_each(|(name, value)| trailers.append(name, value));
        Ok(())
    }

    /// The hints that are not sent yet.
    pub fn take_hints(&self) -> Vec<HeaderList> {
        self.hints.take()
    }

    /// The same, once there are some.
    pub fn poll_hints(&self, cx: &mut Context<'_>) -> Poll<Vec<HeaderList>> {
        if !self.hints.borrow().is_empty() {
            return Poll::Ready(self.take_hints());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The trailers so far.
    pub fn trailers(&self) -> HeaderList {
        self.trailers.borrow().clone()
    }
}

/// The fields of `init`, none of which `is_refused`.
fn checked<'js>(
    ctx: &Ctx<'js>,
    init: &Value<'js>,
    place: &str,
    is_refused: impl Fn(&[u8]) -> bool,
) -> Result<HeaderList> {
    let headers = SharedHeaders::default();
    headers.fill(ctx, init)?;
    let list = headers.list().clone();
    if let Some((name, _)) = list.iter().find(|(name, _)| is_refused(name)) {
        let name = String::from_utf8_lossy(name);
        return Err(type_error(ctx, &format!("{place}: {name} cannot stand there")));
    }
    if list.bytes() > BYTES_MAX {
        return Err(range_error(ctx, &format!("{place}: more than 16 KiB")));
    }
    Ok(list)
}

fn is_one_of(names: &[&[u8]], name: &[u8]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}
