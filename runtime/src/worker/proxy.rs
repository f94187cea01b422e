//! The header that a proxy puts in front of a connection (the PROXY protocol of HAProxy, versions 1 and 2).
//!
//! Owns: its forms, read strictly and not one byte further. Must not know: who may send one, how long it may
//! take. Source: haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::address::{Address, UnixName};
use crate::io::Socket;

/// Bytes of a header of version 1, its CRLF included (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Bytes that the shortest header of version 1 has, `PROXY UNKNOWN` and CRLF; those of version 2 are longer.
const BYTES_MIN: usize = 15;
/// Bytes of version 2 before its addresses.
const FIXED_BYTES: usize = 16;
/// Addresses and what else stands behind them in version 2: there are 64 KiB in the format, and no use for so many.
const BLOCK_BYTES_MAX: usize = 4 << 10;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const WORD: &[u8] = b"PROXY ";

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyHeader {
    /// Nothing: the connection is the proxy's own, or of a kind that has no addresses here.
    Local,
    /// The connection is of `peer`, which had connected `local`.
    Proxied { peer: Address, local: Address },
}

/// Reads the header at the beginning of a connection.
///
/// # Errors
/// InvalidData for what is none, UnexpectedEof; those of the socket.
pub(super) async fn read(socket: &Socket) -> io::Result<ProxyHeader> {
    let mut bytes = Vec::with_capacity(LINE_BYTES_MAX);
    while bytes.len() < BYTES_MIN {
        let room = BYTES_MIN - bytes.len();
        receive(socket, &mut bytes, room).await?;
        let begins = |whole: &[u8]| whole.iter().zip(&bytes).all(|(wanted, got)| wanted == got);
        if !begins(SIGNATURE) && !begins(WORD) {
            return Err(no_header("it does not begin as one"));
        }
    }
    if bytes.starts_with(WORD) {
        return line(socket, bytes).await;
    }
    receive_all(socket, &mut bytes, FIXED_BYTES).await?;
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if length > BLOCK_BYTES_MAX {
        return Err(no_header("it is longer than 4 KiB"));
    }
    receive_all(socket, &mut bytes, FIXED_BYTES + length).await?;
    binary(bytes[12], bytes[13], &bytes[FIXED_BYTES..]).map_err(no_header)
}

/// The rest of a line of version 1. What is taken from the socket ends with the line.
async fn line(socket: &Socket, mut bytes: Vec<u8>) -> io::Result<ProxyHeader> {
    loop {
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line =
                bytes[..end].strip_suffix(b"\r").ok_or_else(|| no_header("it has a line feed alone"))?;
            return text(line).map_err(no_header);
        }
        let room = LINE_BYTES_MAX - bytes.len();
        if room == 0 {
            return Err(no_header("it has no end"));
        }
        let (peeked, buffer) = socket.recv(vec![0; room], libc::MSG_PEEK).await;
        let found = &buffer[..peeked?];
        let wanted = found.iter().position(|byte| *byte == b'\n').map_or(found.len(), |end| end + 1);
        receive(socket, &mut bytes, wanted.max(1)).await?;
    }
}

async fn receive_all(socket: &Socket, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    while bytes.len() < length {
        let room = length - bytes.len();
        receive(socket, bytes, room).await?;
    }
    Ok(())
}

/// Receives at most `room` bytes more.
async fn receive(socket: &Socket, bytes: &mut Vec<u8>, room: usize) -> io::Result<()> {
    let (got, buffer) = socket.recv(vec![0; room], 0).await;
    match got? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in its PROXY header")),
        got => {
            bytes.extend_from_slice(&buffer[..got]);
            Ok(())
        }
    }
}

fn no_header(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no PROXY header: {why}"))
}

/// A line of version 1, without its end.
fn text(line: &[u8]) -> Result<ProxyHeader, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not ASCII")?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(ProxyHeader::Local);
    }
    let rest: Vec<&str> = words.collect();
    let [peer, local, peer_port, local_port] = rest[..] else { return Err("it has not six words") };
    let ip = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| "an address is wrong"),
        "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| "an address is wrong"),
        _ => Err("its protocol is none of TCP4, TCP6 and UNKNOWN"),
    };
    Ok(ProxyHeader::Proxied {
        peer: SocketAddr::new(ip(peer)?, port(peer_port)?).into(),
        local: SocketAddr::new(ip(local)?, port(local_port)?).into(),
    })
}

fn port(text: &str) -> Result<u16, &'static str> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or("a port is wrong")
}

/// A header of version 2: its 13th and 14th byte, and what they say the length of. Behind the addresses stand
/// values that nobody asks for here (section 2.2.1).
fn binary(command: u8, family: u8, block: &[u8]) -> Result<ProxyHeader, &'static str> {
    match command {
        0x20 => return Ok(ProxyHeader::Local),
        0x21 => {}
        _ => return Err("its version or its command is unknown"),
    }
    if family >> 4 > 3 || family & 0xf > 2 {
        return Err("its family or its protocol is unknown");
    }
    let short = "its addresses are cut";
    let ends = match family {
        0x11 => {
            let [a, b, c, d, e, f, g, h, ports @ ..] = block else { return Err(short) };
            let ips = [Ipv4Addr::new(*a, *b, *c, *d), Ipv4Addr::new(*e, *f, *g, *h)];
            with_ports(ips.map(IpAddr::V4), ports).ok_or(short)?
        }
        0x21 => {
            let (peer, rest) = block.split_first_chunk::<16>().ok_or(short)?;
            let (local, ports) = rest.split_first_chunk::<16>().ok_or(short)?;
            with_ports([*peer, *local].map(|ip| IpAddr::V6(ip.into())), ports).ok_or(short)?
        }
        0x31 => {
            let (peer, rest) = block.split_first_chunk::<108>().ok_or(short)?;
            let (local, _) = rest.split_first_chunk::<108>().ok_or(short)?;
            [peer, local].map(|path| Address::unix(unix(path)))
        }
        // Of no protocol, or one that this is none of: the addresses are not ours to read.
        _ => return Ok(ProxyHeader::Local),
    };
    let [peer, local] = ends;
    Ok(ProxyHeader::Proxied { peer, local })
}

fn with_ports([peer, local]: [IpAddr; 2], ports: &[u8]) -> Option<[Address; 2]> {
    let [a, b, c, d, ..] = ports else { return None };
    let at = |ip, port| Address::Ip(SocketAddr::new(ip, u16::from_be_bytes(port)));
    Some([at(peer, [*a, *b]), at(local, [*c, *d])])
}

/// A name as `sun_path` has it, filled up with NUL.
fn unix(path: &[u8; 108]) -> UnixName {
    let until_nul = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    match path {
        [0, 0, ..] => UnixName::Unnamed,
        [0, name @ ..] => UnixName::Abstract(until_nul(name)),
        path => UnixName::Path(Path::new(OsStr::from_bytes(&until_nul(path))).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(peer: &str, local: &str) -> ProxyHeader {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        ProxyHeader::Proxied { peer: address(peer), local: address(local) }
    }

    // Section 2.1.
    #[test]
    fn lines_of_version_1() {
        for (line, found) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443", proxied("192.0.2.1:56324", "192.0.2.2:443")),
            ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", proxied("0.0.0.0:0", "255.255.255.255:65535")),
            ("PROXY TCP6 2001:DB8::1 ::1 1 2", proxied("[2001:db8::1]:1", "[::1]:2")),
            ("PROXY UNKNOWN", ProxyHeader::Local),
            ("PROXY UNKNOWN anything at all", ProxyHeader::Local),
        ] {
            assert_eq!(text(line.as_bytes()), Ok(found), "{line}");
        }
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 1",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536",
            "PROXY TCP4 192.0.2.1 192.0.2.2  2",
            "PROXY TCP4 ::1 ::1 1 2",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2",
            "PROXY ",
        ] {
            assert!(text(line.as_bytes()).is_err(), "{line}");
        }
    }

    // Section 2.2.
    #[test]
    fn blocks_of_version_2() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0x01, 0xbb];
        let found = proxied("192.0.2.1:4660", "192.0.2.2:443");
        assert_eq!(binary(0x21, 0x11, &v4), Ok(found.clone()));
        // Values behind the addresses (section 2.2.1) are passed over, whatever they are.
        assert_eq!(binary(0x21, 0x11, &[&v4[..], &[4, 0xff, 0xff]].concat()), Ok(found));
        let mut v6 = [0; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
        assert_eq!(binary(0x21, 0x21, &v6), Ok(proxied("[::1]:3", "[::2]:4")));
        let mut paths = [0; 216];
        paths[..4].copy_from_slice(b"/a/b");
        paths[108..112].copy_from_slice(b"\0abc");
        assert_eq!(binary(0x21, 0x31, &paths), Ok(proxied("unix:/a/b", "unix:@abc")));
        for (command, family) in
            [(0x20, 0x11), (0x20, 0xff), (0x21, 0x00), (0x21, 0x01), (0x21, 0x10), (0x21, 0x12)]
        {
            assert_eq!(binary(command, family, &[]), Ok(ProxyHeader::Local), "{command:x} {family:x}");
        }
        for (command, family) in [(0x11, 0x11), (0x31, 0x11), (0x22, 0x11), (0x21, 0x41), (0x21, 0x13)] {
            assert!(binary(command, family, &v6).is_err(), "{command:x} {family:x}");
        }
        assert!(binary(0x21, 0x11, &v4[..11]).is_err());
        assert!(binary(0x21, 0x21, &v6[..35]).is_err());
        assert!(binary(0x21, 0x31, &paths[..215]).is_err());
    }
}
