//! Addresses as the kernel writes them: names (`sockaddr_in`, `sockaddr_in6`) and the control message that says
//! where a datagram was sent to (ip(7) IP_PKTINFO, ipv6(7) IPV6_RECVPKTINFO; RFC 3542 section 6).
//!
//! Owns: both directions, on plain bytes. Must not know: sockets, batches.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

/// Where a datagram came from, and so where the reply goes to and leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The sender.
    pub peer: SocketAddr,
    /// Our own address that was asked, where the socket has more than one.
    pub local: Option<IpAddr>,
}

/// Room for the longer of the two names.
pub(super) const NAME_BYTES: usize = size_of::<libc::sockaddr_in6>();
/// A name as the kernel has it.
pub(super) type Name = [u8; NAME_BYTES];

/// The head of a control message: length, level, type (cmsg(3)).
const HEAD_BYTES: usize = size_of::<libc::cmsghdr>();
/// Room for one control message, in words, as aligned as it must be.
const CONTROL_WORDS: usize = 5;
/// Control messages of one datagram.
pub(super) type Control = [u64; CONTROL_WORDS];

const _: () = assert!(HEAD_BYTES == 16 && CONTROL_WORDS * 8 == HEAD_BYTES + 24);

/// Has the kernel say where each datagram was sent to.
pub(super) fn tell_destinations(fd: impl AsFd, v6: bool) -> io::Result<()> {
    let (level, option) = match v6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
    };
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: one integer, alive across the call.
    let done =
        unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The `N` bytes of `bytes` from `at` on.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The address that `name` is.
pub(super) fn read_name(name: &Name) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(part(name, 2)?);
    match i32::from(u16::from_ne_bytes(part(name, 0)?)) {
        libc::AF_INET => Some(SocketAddrV4::new(Ipv4Addr::from(part::<4>(name, 4)?), port).into()),
        libc::AF_INET6 => {
            let (flow, scope) = (u32::from_ne_bytes(part(name, 4)?), u32::from_ne_bytes(part(name, 24)?));
            Some(SocketAddrV6::new(Ipv6Addr::from(part::<16>(name, 8)?), port, flow, scope).into())
        }
        _ => None,
    }
}

/// Writes `addr` to `name`; its length.
pub(super) fn write_name(addr: &SocketAddr, name: &mut Name) -> usize {
    name[2..4].copy_from_slice(&addr.port().to_be_bytes());
    match addr {
        SocketAddr::V4(v4) => {
            name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            name[4..8].copy_from_slice(&v4.ip().octets());
            name[8..16].fill(0);
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            // A flow label is the sender's, and none of ours.
            name[4..8].fill(0);
            name[8..24].copy_from_slice(&v6.ip().octets());
            name[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            NAME_BYTES
        }
    }
}

/// Our own address that a datagram was sent to, by its control messages; none of a group's.
pub(super) fn read_destination(control: &Control, length: usize) -> Option<IpAddr> {
    let mut bytes = [0; CONTROL_WORDS * 8];
    for (to, word) in bytes.chunks_exact_mut(8).zip(control) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    let bytes = bytes.get(..length)?;
    let number = |at| part(bytes, at).map(i32::from_ne_bytes);
    match (number(8)?, number(12)?) {
        // struct in_pktinfo: index, our address for the reply (of a broadcast, the interface's), destination.
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            Some(Ipv4Addr::from(part::<4>(bytes, HEAD_BYTES + 4)?).into())
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let ip = Ipv6Addr::from(part::<16>(bytes, HEAD_BYTES)?);
            (!ip.is_multicast()).then_some(ip.into())
        }
        _ => None,
    }
}

/// Writes the control message that has a datagram leave from `source`; its length.
pub(super) fn write_source(source: IpAddr, control: &mut Control) -> usize {
    let mut bytes = [0; CONTROL_WORDS * 8];
    let (level, kind, data_bytes) = match source {
        IpAddr::V4(ip) => {
            bytes[HEAD_BYTES + 4..HEAD_BYTES + 8].copy_from_slice(&ip.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<libc::in_pktinfo>())
        }
        IpAddr::V6(ip) => {
            bytes[HEAD_BYTES..HEAD_BYTES + 16].copy_from_slice(&ip.octets());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<libc::in6_pktinfo>())
        }
    };
    bytes[..8].copy_from_slice(&(HEAD_BYTES + data_bytes).to_ne_bytes());
    bytes[8..12].copy_from_slice(&level.to_ne_bytes());
    bytes[12..16].copy_from_slice(&kind.to_ne_bytes());
    for (word, from) in control.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*from);
    }
    (HEAD_BYTES + data_bytes).next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        for text in ["192.0.2.7:53", "[2001:db8::1]:65535", "[fe80::1%3]:1"] {
            let addr: SocketAddr = text.parse().expect(text);
            let mut name = [0xff; NAME_BYTES];
            write_name(&addr, &mut name);
            assert_eq!(read_name(&name), Some(addr));
        }
        assert_eq!(read_name(&[0; NAME_BYTES]), None, "AF_UNSPEC");
    }

    #[test]
    fn a_source_is_read_as_the_destination_that_it_was() {
        for text in ["192.0.2.7", "2001:db8::1"] {
            let ip: IpAddr = text.parse().expect(text);
            let mut control = [u64::MAX; CONTROL_WORDS];
            let length = write_source(ip, &mut control);
            assert_eq!(read_destination(&control, length), Some(ip));
            assert_eq!(read_destination(&control, 0), None, "no control message");
        }
        let mut control = [0; CONTROL_WORDS];
        let length = write_source("ff02::1".parse().expect("a group"), &mut control);
        assert_eq!(read_destination(&control, length), None, "nothing leaves from a group's address");
    }
}
