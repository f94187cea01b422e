//! The methods of an app's default export: one table, from which start-up errors, listeners and
//! protocols derive.
//!
//! Owns: their names and what listeners they serve. Must not know: how they are called. A new kind of
//! handler is a row here, a file in this folder, a folder in `handlers/` and a line in its list.

use crate::config::Scheme;

/// A method that a protocol calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `fetch(request, env, ctx)`.
    Fetch,
    /// The hooks of `tcp`.
    Tcp,
    /// `connect(socket, env, ctx)`.
    Connect,
    /// `accept(fd, peer, env, ctx)`.
    Accept,
    /// `datagram(message, from, socket, env, ctx)`.
    Datagram,
    /// `scheduled(event, env, ctx)`.
    Scheduled,
}

/// How many there are.
pub const METHODS: usize = TABLE.len();

/// A row of the table.
pub struct MethodSpec {
    /// The method.
    pub method: Method,
    /// Its name.
    pub name: &'static str,
    /// The least of its parameters, for remedies.
    pub signature: &'static str,
    /// The listeners that it serves; none where a clock calls it.
    pub scheme: Option<Scheme>,
}

/// All methods; the first that an app has gives its plain `--port` its scheme.
pub const TABLE: [MethodSpec; 6] = [
    MethodSpec {
        method: Method::Fetch,
        name: "fetch",
        signature: "fetch(request)",
        scheme: Some(Scheme::Http),
    },
    MethodSpec {
        method: Method::Tcp,
        name: "tcp",
        signature: "tcp: { data(conn, bytes) }",
        scheme: Some(Scheme::Tcp),
    },
    MethodSpec {
        method: Method::Connect,
        name: "connect",
        signature: "connect(socket)",
        scheme: Some(Scheme::Tcp),
    },
    MethodSpec {
        method: Method::Accept,
        name: "accept",
        signature: "accept(fd, peer)",
        scheme: Some(Scheme::Tcp),
    },
    MethodSpec {
        method: Method::Datagram,
        name: "datagram",
        signature: "datagram(message)",
        scheme: Some(Scheme::Udp),
    },
    MethodSpec { method: Method::Scheduled, name: "scheduled", signature: "scheduled(event)", scheme: None },
];

/// What an app that exports none is told.
pub const NONE: &str = "has no handler: its default export needs a method `fetch` (HTTP), `tcp`, `connect` or `accept` \
                        (raw TCP), `datagram` (UDP), or `scheduled` (at times that --cron says)";

/// Which of them an app has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods([bool; METHODS]);

impl Methods {
    /// Those that `has` answers true for.
    pub fn of(has: impl FnMut(Method) -> bool) -> Methods {
        Methods(TABLE.map(|row| row.method).map(has))
    }

    /// These and `method`.
    pub fn with(mut self, method: Method) -> Methods {
        self.0[method as usize] = true;
        self
    }

    fn rows(self) -> impl Iterator<Item = &'static MethodSpec> {
        TABLE.iter().filter(move |row| self.0[row.method as usize])
    }

    /// Whether `method` is among them.
    pub fn has(self, method: Method) -> bool {
        self.0[method as usize]
    }

    /// Whether no listener is served by them, and a clock calls them all the same.
    pub fn is_for_clocks_only(self) -> bool {
        !self.is_empty() && self.rows().all(|row| row.scheme.is_none())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        !self.0.contains(&true)
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        self.rows().map(|row| row.name).collect()
    }

    /// An app that serves datagrams, and no connection.
    pub const DATAGRAM: Methods = Methods([false, false, false, false, true, false]);

    /// Those that serve connections: what a listener has that says nothing.
    fn of_connections(self) -> impl Iterator<Item = &'static MethodSpec> {
        self.rows().filter(|row| row.scheme.is_some_and(|scheme| scheme != Scheme::Udp))
    }

    /// The one that serves listeners of `scheme`.
    pub fn serving(self, scheme: Scheme) -> Option<Method> {
        let row = match scheme {
            Scheme::Auto => self.of_connections().next(),
            Scheme::FastCgi | Scheme::Scgi => return self.serving(Scheme::Http),
            _ => self.rows().find(|row| row.scheme == Some(scheme)),
        };
        row.map(|row| row.method)
    }

    /// What a listener that says nothing speaks.
    pub fn scheme(self) -> Scheme {
        self.of_connections().next().and_then(|row| row.scheme).unwrap_or(Scheme::Http)
    }

    /// Two that serve the same listeners: only one of them could be called.
    pub fn conflict(self) -> Option<(&'static str, &'static str)> {
        self.rows().filter(|row| row.scheme.is_some()).find_map(|row| {
            let other = self.rows().find(|other| other.scheme == row.scheme && other.method != row.method)?;
            Some((row.name, other.name))
        })
    }
}

/// The signatures of all that could serve `scheme`: `connect(socket) or accept(fd, peer)`.
pub fn wanted(scheme: Scheme) -> String {
    let scheme = if matches!(scheme, Scheme::FastCgi | Scheme::Scgi) { Scheme::Http } else { scheme };
    let rows = TABLE.iter().filter(|row| row.scheme == Some(scheme));
    rows.map(|row| row.signature).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(has: &[Method]) -> Methods {
        Methods::of(|method| has.contains(&method))
    }

    #[test]
    fn rows_stand_in_the_order_of_their_numbers() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.method as usize, number, "{}", row.name);
            assert!(NONE.contains(&format!("`{}`", row.name)), "{} is not in {NONE:?}", row.name);
        }
    }

    #[test]
    fn a_listener_is_served_by_the_method_for_its_scheme() {
        let both = app(&[Method::Fetch, Method::Accept]);
        assert_eq!((both.scheme(), both.names()), (Scheme::Http, vec!["fetch", "accept"]));
        assert_eq!(both.serving(Scheme::Tcp), Some(Method::Accept));
        assert_eq!(both.serving(Scheme::Auto), Some(Method::Fetch));
        assert_eq!(
            (both.serving(Scheme::FastCgi), both.serving(Scheme::Scgi)),
            (Some(Method::Fetch), Some(Method::Fetch))
        );
        assert_eq!(wanted(Scheme::Scgi), "fetch(request)");
        assert_eq!(app(&[Method::Connect]).serving(Scheme::Http), None);
        assert_eq!(app(&[Method::Connect]).scheme(), Scheme::Tcp);
        assert!(app(&[]).is_empty());
        let for_tcp = wanted(Scheme::Tcp);
        assert_eq!(for_tcp, "tcp: { data(conn, bytes) } or connect(socket) or accept(fd, peer)");
        // A plain --port is for connections.
        let datagram = app(&[Method::Datagram]);
        assert_eq!((datagram, datagram.serving(Scheme::Udp)), (Methods::DATAGRAM, Some(Method::Datagram)));
        assert_eq!((datagram.scheme(), datagram.serving(Scheme::Auto)), (Scheme::Http, None));
        assert_eq!(wanted(Scheme::Udp), "datagram(message)");
        let (clock, both) = (app(&[Method::Scheduled]), app(&[Method::Scheduled, Method::Fetch]));
        assert!(clock.is_for_clocks_only() && !both.is_for_clocks_only() && !app(&[]).is_for_clocks_only());
        assert_eq!((clock.serving(Scheme::Auto), both.serving(Scheme::Auto)), (None, Some(Method::Fetch)));
        assert_eq!((both.conflict(), both.has(Method::Scheduled)), (None, true));
    }

    #[test]
    fn two_methods_for_the_same_listeners_are_a_conflict() {
        assert_eq!(app(&[Method::Fetch, Method::Accept]).conflict(), None);
        assert_eq!(app(&[Method::Connect, Method::Accept]).conflict(), Some(("connect", "accept")));
        assert_eq!(app(&[Method::Accept, Method::Tcp]).conflict(), Some(("tcp", "accept")));
    }
}
