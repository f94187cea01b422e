//! An end of a connection, or the place of a listener: an IP address with its port, or a Unix socket.
//!
//! Owns: [`Address`] and [`Network`], how they are written and read. Must not know: sockets, who speaks there.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// An end of a connection, or the place of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP or UDP.
    Ip(SocketAddr),
    /// AF_UNIX (unix(7)).
    Unix(Arc<UnixAddress>),
}

/// A Unix socket's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress {
    /// What it is bound to.
    pub name: UnixName,
    /// Who has connected it, where that is the peer's end (SO_PEERCRED).
    pub credentials: Option<Credentials>,
}

/// What a Unix socket is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnixName {
    /// Nothing, as clients usually are.
    Unnamed,
    /// A file.
    Path(PathBuf),
    /// A name beside the file system, of Linux; without the NUL in front.
    Abstract(Vec<u8>),
}

/// The process at the other end of a Unix socket, as it was when it connected (unix(7), SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its id; 0 for one outside of our PID namespace.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Address {
    /// Stands for an address that the kernel no longer tells: the peer was gone before we asked.
    pub const UNKNOWN: Address = Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

    /// Of a Unix socket bound to `name`.
    pub fn unix(name: UnixName) -> Address {
        Address::Unix(Arc::new(UnixAddress { name, credentials: None }))
    }

    /// The IP address with its port, where it has one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(addr) => Some(*addr),
            Address::Unix(_) => None,
        }
    }

    /// The file of a Unix socket, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(unix) => match &unix.name {
                UnixName::Path(path) => Some(path),
                UnixName::Unnamed | UnixName::Abstract(_) => None,
            },
            Address::Ip(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Address {
        Address::Ip(addr)
    }
}

impl UnixName {
    /// As `sun_path` has it: a NUL stands in front of an abstract name.
    pub fn sun_path(&self) -> Vec<u8> {
        match self {
            UnixName::Unnamed => Vec::new(),
            UnixName::Path(path) => path.as_os_str().as_bytes().to_vec(),
            UnixName::Abstract(name) => [b"\0", name.as_slice()].concat(),
        }
    }
}

/// `/run/app.sock`, `@name`, or nothing. A peer chooses its own name: what could end or colour a line of the log is
/// escaped.
impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self {
            UnixName::Unnamed => return Ok(()),
            UnixName::Path(path) => path.as_os_str().as_bytes(),
            UnixName::Abstract(name) => {
                f.write_char('@')?;
                name
            }
        };
        for c in String::from_utf8_lossy(bytes).chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`, `unix:@name`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(addr) => addr.fmt(f),
            Address::Unix(unix) => write!(f, "unix:{}", unix.name),
        }
    }
}

/// The IP addresses that begin with the same bits, as `192.0.2.0/24` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` is one of them. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is an IPv4 address.
    pub fn has(&self, ip: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            shift >= width || ours >> shift == theirs >> shift
        };
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(ip)) => same(ours.to_bits().into(), ip.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(ip)) => same(ours.to_bits(), ip.to_bits(), 128),
            _ => false,
        }
    }
}

/// `192.0.2.0/24`, `2001:db8::/32`, or an address, which is its own network.
impl FromStr for Network {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Network, NotAnAddress> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| NotAnAddress)?;
        let width: u8 = if base.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) if digits(bits) => bits.parse().map_err(|_| NotAnAddress)?,
            Some(_) => return Err(NotAnAddress),
        };
        if bits > width { Err(NotAnAddress) } else { Ok(Network { base, bits }) }
    }
}

/// What is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Address, NotAnAddress> {
        let Some(name) = text.strip_prefix("unix:") else {
            return text.parse().map(Address::Ip).map_err(|_| NotAnAddress);
        };
        if name.contains('\0') {
            return Err(NotAnAddress);
        }
        Ok(Address::unix(match name.strip_prefix('@') {
            Some("") => return Err(NotAnAddress),
            Some(name) => UnixName::Abstract(name.as_bytes().to_vec()),
            None if name.is_empty() => UnixName::Unnamed,
            None => UnixName::Path(OsStr::new(name).into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in ["127.0.0.1:80", "[::1]:0", "unix:/run/app.sock", "unix:a b", "unix:@name", "unix:"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        for text in ["", "127.0.0.1", "localhost:80", "unix:@", "unix:/a\0b"] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.0"),
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("::/0", "ffff::", "127.0.0.1"),
            ("::1/128", "::1", "::2"),
        ] {
            let network: Network = network.parse().expect(network);
            assert!(network.has(inside.parse().expect(inside)), "{network:?} {inside}");
            assert!(!network.has(outside.parse().expect(outside)), "{network:?} {outside}");
        }
        for text in ["", "/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0/8", "localhost"] {
            assert_eq!(text.parse::<Network>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn a_peers_name_cannot_end_a_line_of_the_log() {
        let name = UnixName::Abstract(b"a\nb\x1b[31m\xff".to_vec());
        assert_eq!(Address::unix(name).to_string(), "unix:@a\\nb\\u{1b}[31m\u{fffd}");
    }

    #[test]
    fn an_abstract_name_begins_with_nul() {
        assert_eq!(UnixName::Abstract(b"x".to_vec()).sun_path(), b"\0x");
        assert_eq!(UnixName::Path("/x".into()).sun_path(), b"/x");
    }
}
