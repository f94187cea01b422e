//! The numbers that `os` exports for sockets.
//!
//! Owns: names and values, from `libc`; those of options come from `io`. Must not know: their use.

use super::hints;
use crate::io::{OPTIONS, REFUSED_OPTIONS};

/// Or-ed into the type of `socket`: leaves it blocking. Ours alone: no SOCK_ constant of Linux has
/// this bit (socket(2)).
pub const SOCK_BLOCK: i32 = 1 << 28;

macro_rules! constants {
    ($($name:ident)+) => { &[$((stringify!($name), libc::$name)),+] };
}

const PLAIN: &[(&str, i32)] = constants![
    AF_INET AF_INET6 AF_UNIX SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_SEQPACKET SOCK_NONBLOCK SOL_SOCKET
    AF_UNSPEC IPPROTO_IP IPPROTO_TCP IPPROTO_UDP IPPROTO_IPV6 IPPROTO_ICMP IPPROTO_ICMPV6 IPPROTO_RAW
    SHUT_RD SHUT_WR SHUT_RDWR SOMAXCONN IP_PMTUDISC_DONT IP_PMTUDISC_WANT IP_PMTUDISC_DO IP_PMTUDISC_PROBE
];

/// Every constant, once.
pub fn all() -> impl Iterator<Item = (&'static str, i32)> {
    let options = OPTIONS.iter().flat_map(|(_, names)| names.iter().copied());
    let refused = REFUSED_OPTIONS.iter().flat_map(|(_, names)| names.iter().copied());
    let lookups = hints::ERRORS.iter().chain(hints::FLAGS).copied();
    PLAIN.iter().copied().chain([("SOCK_BLOCK", SOCK_BLOCK)]).chain(options).chain(refused).chain(lookups)
}
