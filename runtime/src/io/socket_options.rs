//! Socket options by number: setsockopt(2) and getsockopt(2) on a [`Socket`].
//!
//! Owns: the list of options that may be used so. An option outside of it is ENOPROTOOPT: some
//! (SO_ATTACH_FILTER, TCP_ZEROCOPY_RECEIVE, netfilter's) have the kernel read or write memory at
//! addresses inside of the value, or more bytes than the length says.

use std::io;
use std::os::fd::AsRawFd;

use super::socket::Socket;

/// A level of options: its number, and the names and numbers of its options.
pub type Level = (i32, &'static [(&'static str, i32)]);

macro_rules! options {
    ($($name:ident $(= $number:literal)?)+) => { &[$((stringify!($name), options!(@ $name $($number)?))),+] };
    (@ $name:ident $number:literal) => { $number };
    (@ $name:ident) => { libc::$name };
}

/// What socket(7), tcp(7), udp(7), ip(7) and ipv6(7) have and is safe.
pub const OPTIONS: &[Level] = &[
    (
        libc::SOL_SOCKET,
        options![SO_ACCEPTCONN SO_BINDTODEVICE SO_BROADCAST SO_BSDCOMPAT SO_BUSY_POLL SO_DEBUG SO_DOMAIN
            SO_DETACH_FILTER SO_DONTROUTE SO_ERROR SO_INCOMING_CPU SO_INCOMING_NAPI_ID SO_KEEPALIVE
            SO_LINGER SO_LOCK_FILTER SO_MARK SO_NO_CHECK SO_OOBINLINE SO_PASSCRED SO_PASSSEC SO_PEEK_OFF
            SO_PEERCRED SO_PEERSEC SO_PRIORITY SO_PROTOCOL
            SO_RCVBUF SO_RCVBUFFORCE SO_RCVLOWAT SO_RCVTIMEO SO_REUSEADDR SO_REUSEPORT SO_RXQ_OVFL
            SO_SELECT_ERR_QUEUE SO_SNDBUF SO_SNDBUFFORCE SO_SNDLOWAT SO_SNDTIMEO SO_TIMESTAMP
            SO_TIMESTAMPNS SO_TYPE SO_ZEROCOPY],
    ),
    (
        libc::IPPROTO_TCP,
        options![TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_FASTOPEN_CONNECT TCP_INFO
            TCP_KEEPCNT TCP_KEEPIDLE TCP_KEEPINTVL TCP_LINGER2 TCP_MAXSEG TCP_NODELAY TCP_NOTSENT_LOWAT
            TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP],
    ),
    (libc::IPPROTO_UDP, options![UDP_CORK UDP_GRO UDP_SEGMENT]),
    (
        libc::IPPROTO_IP,
        options![IP_ADD_MEMBERSHIP IP_ADD_SOURCE_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT IP_BLOCK_SOURCE
            IP_DROP_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP IP_FREEBIND IP_HDRINCL IP_LOCAL_PORT_RANGE = 51
            IP_MTU IP_MTU_DISCOVER
            IP_MULTICAST_ALL IP_MULTICAST_IF IP_MULTICAST_LOOP IP_MULTICAST_TTL IP_NODEFRAG IP_OPTIONS
            IP_PASSSEC IP_PKTINFO IP_RECVERR IP_RECVOPTS IP_RECVORIGDSTADDR IP_RECVTOS IP_RECVTTL IP_RETOPTS
            IP_ROUTER_ALERT IP_TOS IP_TRANSPARENT IP_TTL IP_UNBLOCK_SOURCE],
    ),
    (
        libc::IPPROTO_IPV6,
        options![IPV6_ADDRFORM IPV6_ADD_MEMBERSHIP IPV6_AUTHHDR IPV6_DROP_MEMBERSHIP IPV6_DSTOPTS
            IPV6_FLOWINFO IPV6_FREEBIND IPV6_HOPLIMIT IPV6_HOPOPTS IPV6_MTU IPV6_MTU_DISCOVER
            IPV6_MULTICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_LOOP IPV6_PKTINFO IPV6_RECVERR
            IPV6_RECVHOPLIMIT IPV6_RECVPKTINFO IPV6_RECVTCLASS IPV6_ROUTER_ALERT IPV6_RTHDR IPV6_TCLASS
            IPV6_TRANSPARENT IPV6_UNICAST_HOPS IPV6_V6ONLY],
    ),
];

/// What the same pages have and is not safe: known by name, and ENOPROTOOPT.
pub const REFUSED_OPTIONS: &[Level] = &[
    (
        libc::SOL_SOCKET,
        options![SO_ATTACH_BPF SO_ATTACH_FILTER SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF],
    ),
    (libc::IPPROTO_IP, options![IP_MSFILTER]),
];

fn listed(level: i32, name: i32) -> io::Result<()> {
    let known =
        OPTIONS.iter().any(|(number, names)| *number == level && names.iter().any(|(_, n)| *n == name));
    if known { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT)) }
}

impl Socket {
    /// setsockopt(2) with the bytes of `value`. ENOPROTOOPT for what is not in [`OPTIONS`].
    pub fn set_option(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
        listed(level, name)?;
        let len = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.with_fd(|fd| {
            // SAFETY: the kernel reads `len` bytes of the slice; no listed option's value has pointers.
            match unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), len) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })
    }

    /// getsockopt(2) into `value`; the bytes filled in. ENOPROTOOPT for what is not in [`OPTIONS`].
    pub fn option(&self, level: i32, name: i32, value: &mut [u8]) -> io::Result<usize> {
        listed(level, name)?;
        let mut len = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.with_fd(|fd| {
            let (data, length) = (value.as_mut_ptr().cast(), &raw mut len);
            // SAFETY: for the listed options the kernel writes at most `len` bytes to the slice.
            match unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, data, length) } {
                0 => Ok((len as usize).min(value.len())),
                _ => Err(io::Error::last_os_error()),
            }
        })
    }
}
