//! What operators of a server choose: its access log, and the listener that is for them.
//!
//! Owns: the choices. Must not know: flags, how a line looks, what the listener answers.

use std::path::PathBuf;

use crate::address::Address;

/// How a line of the access log looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessForm {
    /// To be read by people at once.
    Short {
        /// With colours of a terminal.
        colour: bool,
    },
    /// As nginx's format of that name.
    Combined,
    /// An object of JSON.
    Json,
    /// A text with variables.
    Text(String),
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Standard output.
    Stdout,
    /// A file, which is added to.
    File(PathBuf),
    /// The logger behind this socket (syslog(3)).
    Syslog(PathBuf),
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogOptions {
    /// How a line looks.
    pub form: AccessForm,
    /// Where lines go.
    pub to: AccessTarget,
}

/// The listener for who operates the server.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminOptions {
    /// Where it is.
    pub address: Address,
    /// What who asks has to know.
    pub token: Option<String>,
}

impl std::fmt::Debug for AdminOptions {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminOptions").field("address", &self.address).finish_non_exhaustive()
    }
}
