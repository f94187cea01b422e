//! Edges of the socket calls: time-outs, ends, options of every shape, raw sockets, scopes.
//!
//! Owns: nothing. Must not know: how the calls wait.

use crate::os_harness::check;

#[test]
fn a_connect_that_nobody_answers_times_out_or_is_closed() {
    check(
        r#"
        const listener = bound(os.SOCK_STREAM, { addr: '127.0.0.1', port: 0 });
        equal(os.listen(listener, 0), 0);
        const name = os.getsockname(listener), fds = [], ends = [];
        for (let i = 0; i < 6; i++) {
          const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
          equal(os.setsockopt(fd, os.IPPROTO_TCP, os.TCP_SYNCNT, 1), 0);
          equal(os.setsockopt(fd, os.IPPROTO_TCP, os.TCP_USER_TIMEOUT, 300), 0);
          fds.push(fd);
          ends.push(os.connect(fd, name).then(() => 'connected', (error) => error.code));
        }
        // The listener has room for one that is not accepted; the others are never answered.
        await ends[0];
        const late = os.socket(os.AF_INET, os.SOCK_STREAM), closed = code(os.connect(late, name));
        const behind = [code(os.connect(late, name)), code(os.send(late, 'x'))];
        equal(os.close(late), 0); same(await Promise.all([closed, ...behind]), ['EBADF', 'EBADF', 'EBADF']);
        const all = await Promise.all(ends);
        ok(all.includes('ETIMEDOUT') && all.every((end) => end === 'connected' || end === 'ETIMEDOUT'), all.join());
        "#,
    );
}

#[test]
fn a_socket_that_was_shut_down_sends_nothing_and_reads_to_its_end() {
    check(
        r#"
        const [client, server] = await pair(), buffer = new ArrayBuffer(8);
        equal(os.shutdown(client, os.SHUT_WR), 0);
        for (const fully of [false, true]) equal(await code(os.send(client, 'x', fully)), 'EPIPE');
        equal(await os.recv(server, buffer), 0);
        equal(await os.send(server, 'still'), 5); equal(await os.recv(client, buffer), 5);
        const waiting = os.recv(client, buffer), all = os.recv(client, buffer, 8, true);
        equal(os.shutdown(client, os.SHUT_RD), 0);
        equal(await waiting, 0); equal(await all, 0);
        equal(os.shutdown(server, os.SHUT_RDWR), 0); equal(await code(os.send(server, 'x')), 'EPIPE');
        const near = os.socket(os.AF_UNIX, os.SOCK_STREAM);
        equal(await code(os.send(near, 'x')), 'ENOTCONN');
        equal(await code(os.connect(near, { path: '/nonexistent/socket' })), 'ENOENT');
        equal(await code(os.connect(os.socket(os.AF_INET, os.SOCK_STREAM), { family: os.AF_INET6, addr: '::1', port: 9 })), 'EAFNOSUPPORT');
        const dgram = os.socket(os.AF_INET, os.SOCK_DGRAM);
        equal(await code(os.send(dgram, 'x')), 'EDESTADDRREQ'); equal(await code(os.accept(dgram)), 'EOPNOTSUPP');
        equal(os.listen(dgram), -95);
        equal(os.bind(os.socket(os.AF_INET, os.SOCK_STREAM), { addr: '192.0.2.1', port: 0 }), -99);
        const taken = listening(); equal(os.bind(os.socket(os.AF_INET, os.SOCK_STREAM), os.getsockname(taken)), -98);
        "#,
    );
}

#[test]
fn zero_lengths_and_more_than_one_receive_holds() {
    check(
        r#"
        const [client, server] = await pair(), large = new Uint8Array(300_000).map((_, i) => i % 251);
        for (const empty of ['', new ArrayBuffer(0), new Uint8Array(0), [new Uint8Array(9), 0]].map((e) => Array.isArray(e) ? e : [e])) {
          equal(await os.send(client, ...empty), 0); equal(await os.send(client, empty[0], 0, true), 0);
        }
        const sent = os.send(client, large, true), got = new Uint8Array(300_000);
        const first = await os.recv(server, got);
        ok(first > 0 && first <= 300_000, `${first} at once`);
        equal(await os.recv(server, got.subarray(first), undefined, true), 300_000 - first); equal(await sent, 300_000);
        ok(got.every((byte, i) => byte === i % 251));
        os.shutdown(client, os.SHUT_WR);
        equal(await os.recv(server, got, 0), 0); equal(await os.recv(server, got), 0); equal(await os.recv(server, got, true), 0);
        for (const call of [() => os.recv(server, got, 300_001), () => os.recv(server, new DataView(got.buffer, 10), 299_991),
          () => os.send(client, got, 300_001), () => os.recvfrom(server, got.subarray(5), 299_996)])
          equal(await code(call()), 'RangeError');
        "#,
    );
}

#[test]
fn options_whose_values_are_structures() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM), longs = (...all) => new BigInt64Array(all.map(BigInt)).buffer;
        equal(os.setsockopt(fd, os.SO_RCVTIMEO, longs(2, 500000)), 0);
        const time = new BigInt64Array(2);
        equal(os.getsockopt(fd, os.SO_RCVTIMEO, time.buffer), 0); equal(time[0], 2n); ok(time[1] >= 500000n && time[1] < 510000n);
        equal(os.setsockopt(fd, os.SOL_SOCKET, os.SO_LINGER, new Int32Array([1, 5])), 0);
        const linger = new Int32Array(2);
        equal(os.getsockopt(fd, os.SOL_SOCKET, os.SO_LINGER, linger), 0); same([...linger], [1, 5]);
        same([...new Int32Array(os.getsockopt(fd, os.SOL_SOCKET, os.SO_LINGER, 8))], [1, 5]);
        equal(os.setsockopt(fd, os.SO_REUSEADDR, new Uint32Array([1]).buffer), 0);
        equal(os.getsockopt(fd, os.SOL_SOCKET, os.SO_REUSEADDR), 1);
        equal(os.setsockopt(fd, os.SO_REUSEPORT, new Uint32Array([1]).buffer, 4), 0, 'a length behind the buffer does no harm');
        equal(os.getsockopt(fd, os.SOL_SOCKET, os.SO_REUSEPORT), 1);
        const name = new Uint8Array(os.getsockopt(fd, os.IPPROTO_TCP, os.TCP_CONGESTION, 16));
        ok(/^[a-z0-9]+\0/.test(String.fromCharCode(...name)));
        throws(() => os.getsockopt(fd, os.SO_TYPE, new ArrayBuffer(4).transferToImmutable()), 'TypeError');
        // The structures of ip(7) and ipv6(7): addresses in network order, then the interface.
        const any = bound(os.SOCK_DGRAM, { addr: '0.0.0.0', port: 0 }), group = [239, 255, 77, 77];
        const mreq = new Uint8Array([...group, 127, 0, 0, 1]);
        equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_ADD_MEMBERSHIP, mreq), 0);
        equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_ADD_MEMBERSHIP, mreq), -98);
        equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_MULTICAST_IF, new Uint8Array([127, 0, 0, 1])), 0);
        equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_MULTICAST_LOOP, true), 0); equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_MULTICAST_TTL, 1), 0);
        const buffer = new Uint8Array(8), got = os.recvfrom(any, buffer);
        equal(await os.sendto(any, { addr: group.join('.'), port: os.getsockname(any).port }, 'all'), 3);
        equal((await got)[0], 3); equal(text(buffer, 3), 'all');
        equal(os.setsockopt(any, os.IPPROTO_IP, os.IP_DROP_MEMBERSHIP, mreq.buffer), 0);
        const v6 = bound(os.SOCK_DGRAM, { family: os.AF_INET6, port: 0 }), mreq6 = new Uint8Array(20);
        mreq6.set([0xff, 0x12]); mreq6[15] = 7; mreq6.set(new Uint8Array(new Uint32Array([1]).buffer), 16);
        equal(os.setsockopt(v6, os.IPPROTO_IPV6, os.IPV6_ADD_MEMBERSHIP, mreq6), 0);
        equal(os.setsockopt(v6, os.IPPROTO_IPV6, os.IPV6_DROP_MEMBERSHIP, mreq6), 0);
        equal(os.setsockopt(fd, os.IPPROTO_IP, os.IP_LOCAL_PORT_RANGE, 0), 0);
        for (const refused of [[os.SOL_SOCKET, os.SO_ATTACH_FILTER], [os.SOL_SOCKET, os.SO_ATTACH_BPF], [os.IPPROTO_IP, os.IP_MSFILTER], [99, 1]]) {
          equal(os.setsockopt(fd, ...refused, new ArrayBuffer(16)), -92); equal(os.getsockopt(fd, ...refused, new ArrayBuffer(64)), -92);
        }
        "#,
    );
}

#[test]
fn the_manual_pages_constants_are_all_there() {
    check(
        r#"
        const names = `AF_INET AF_INET6 AF_UNIX SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_NONBLOCK SOCK_BLOCK SOL_SOCKET IPPROTO_TCP
          IPPROTO_UDP IPPROTO_IP IPPROTO_IPV6 SHUT_RD SHUT_WR SHUT_RDWR SOMAXCONN
          SO_ACCEPTCONN SO_ATTACH_FILTER SO_ATTACH_BPF SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF SO_BINDTODEVICE SO_BROADCAST
          SO_BSDCOMPAT SO_BUSY_POLL SO_DEBUG SO_DETACH_FILTER SO_DOMAIN SO_DONTROUTE SO_ERROR SO_INCOMING_CPU SO_INCOMING_NAPI_ID
          SO_KEEPALIVE SO_LINGER SO_LOCK_FILTER SO_MARK SO_OOBINLINE SO_PASSCRED SO_PASSSEC SO_PEEK_OFF SO_PEERCRED SO_PEERSEC SO_PRIORITY
          SO_PROTOCOL SO_RCVBUF SO_RCVBUFFORCE SO_RCVLOWAT SO_RCVTIMEO SO_REUSEADDR SO_REUSEPORT SO_RXQ_OVFL SO_SELECT_ERR_QUEUE SO_SNDBUF
          SO_SNDBUFFORCE SO_SNDLOWAT SO_SNDTIMEO SO_TIMESTAMP SO_TIMESTAMPNS SO_TYPE
          TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_FASTOPEN_CONNECT TCP_INFO TCP_KEEPCNT TCP_KEEPIDLE TCP_KEEPINTVL
          TCP_LINGER2 TCP_MAXSEG TCP_NODELAY TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
          IP_ADD_MEMBERSHIP IP_ADD_SOURCE_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT IP_BLOCK_SOURCE IP_DROP_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP
          IP_FREEBIND IP_HDRINCL IP_LOCAL_PORT_RANGE IP_MSFILTER IP_MTU IP_MTU_DISCOVER IP_MULTICAST_ALL IP_MULTICAST_IF IP_MULTICAST_LOOP
          IP_MULTICAST_TTL IP_NODEFRAG IP_OPTIONS IP_PASSSEC IP_PKTINFO IP_RECVERR IP_RECVOPTS IP_RECVORIGDSTADDR IP_RECVTOS IP_RECVTTL
          IP_RETOPTS IP_ROUTER_ALERT IP_TOS IP_TRANSPARENT IP_TTL IP_UNBLOCK_SOURCE
          IPV6_ADDRFORM IPV6_ADD_MEMBERSHIP IPV6_AUTHHDR IPV6_DROP_MEMBERSHIP IPV6_DSTOPTS IPV6_FLOWINFO IPV6_HOPLIMIT IPV6_HOPOPTS IPV6_MTU
          IPV6_MTU_DISCOVER IPV6_MULTICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_LOOP IPV6_RECVERR IPV6_RECVPKTINFO IPV6_ROUTER_ALERT
          IPV6_RTHDR IPV6_UNICAST_HOPS IPV6_V6ONLY
          EAI_BADFLAGS EAI_NONAME EAI_AGAIN EAI_FAIL EAI_FAMILY EAI_SOCKTYPE EAI_SERVICE EAI_MEMORY EAI_SYSTEM AI_PASSIVE`.split(/\s+/);
        for (const name of names) ok(Number.isInteger(os[name]), name);
        same([os.IP_LOCAL_PORT_RANGE, os.IP_MSFILTER, os.SO_ATTACH_FILTER, os.IPV6_RTHDR, os.EAI_SERVICE], [51, 41, 26, 57, -8]);
        "#,
    );
}

#[test]
fn raw_sockets_where_they_are_permitted() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_RAW, os.IPPROTO_ICMP);
        if (fd < 0) { equal(fd, -1, 'EPERM'); return }
        // An echo request to this host (RFC 792): type 8, checksum, identifier, sequence.
        const request = new Uint8Array([8, 0, 0, 0, 0x4a, 0x53, 0, 1]);
        const sum = 0x0800 + 0x4a53 + 1, checksum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
        request[2] = checksum >> 8; request[3] = checksum & 255;
        equal(await os.sendto(fd, { addr: '127.0.0.1', port: 0 }, request), 8);
        const packet = new Uint8Array(128);
        for (let i = 0; ; i++) {
          ok(i < 50, 'the reply arrives');
          const [length, from] = await os.recvfrom(fd, packet), header = (packet[0] & 15) * 4;
          equal(from.addr, '127.0.0.1');
          if (packet[header] === 0 && packet[header + 4] === 0x4a && length === header + 8) break;
        }
        os.close(fd);
        const v6 = os.socket(os.AF_INET6, os.SOCK_RAW, os.IPPROTO_ICMPV6);
        ok(v6 >= 0); equal(os.close(v6), 0);
        equal(os.socket(os.AF_INET, os.SOCK_RAW), -93);
        "#,
    );
}

#[test]
fn ipv6_scopes_and_both_families_on_one_socket() {
    check(
        r#"
        const fd = os.socket(os.AF_INET6, os.SOCK_DGRAM);
        const failed = os.bind(fd, { addr: 'fe80::1%1', port: 0 });
        equal(failed, -99, 'no such address here, but one that is understood');
        equal(os.bind(fd, { addr: 'fe80::1%lo', port: 0 }), failed);
        for (const addr of ['fe80::1%no-such-interface', 'fe80::1%', '::1]', '[::1]', '::1%1%1', '127.0.0.1'])
          throws(() => os.bind(fd, { addr, port: 0 }), 'TypeError', 'IPv6');
        throws(() => os.bind(fd, { family: os.AF_INET, addr: '127.1', port: 0 }), 'TypeError', 'IPv4');
        const both = os.socket(os.AF_INET6, os.SOCK_STREAM);
        equal(os.setsockopt(both, os.IPPROTO_IPV6, os.IPV6_V6ONLY, false), 0);
        equal(os.bind(both, { port: 0 }), 0); equal(os.listen(both), 0);
        const client = os.socket(os.AF_INET, os.SOCK_STREAM), accepted = os.accept(both);
        equal(await os.connect(client, { addr: '127.0.0.1', port: os.getsockname(both).port }), 0);
        const [, peer] = await accepted;
        equal(peer.addr, '::ffff:127.0.0.1'); equal(peer.port, os.getsockname(client).port); equal(peer.family, os.AF_INET6);
        "#,
    );
}

#[test]
fn unix_sockets_by_path_unnamed_and_in_sequence() {
    check(
        r#"
        const path = `/tmp/jsserve-edge-${Math.random()}`, buffer = new Uint8Array(64);
        const listener = listening({ family: os.AF_UNIX, path });
        same(os.getsockname(listener), { family: os.AF_UNIX, addr: null, port: 0, path });
        equal(os.bind(os.socket(os.AF_UNIX, os.SOCK_STREAM), { path }), -98);
        const client = os.socket(os.AF_UNIX, os.SOCK_STREAM), accepted = os.accept(listener);
        equal(await os.connect(client, { path }), 0);
        const [server, peer] = await accepted, unnamed = { family: os.AF_UNIX, addr: null, port: 0, path: '' };
        same(peer, unnamed); same(os.getpeername(server), unnamed); equal(os.getpeername(client).path, path);
        equal(await os.send(server, 'by path'), 7); same(await os.recvfrom(client, buffer), [7, { ...unnamed, path }]);
        equal(await os.send(client, 'unnamed'), 7); same(await os.recvfrom(server, buffer), [7, unnamed]);
        os.close(server); equal(await os.recv(client, buffer), 0); equal(await code(os.send(client, 'x')), 'EPIPE');
        const named = os.socket(os.AF_UNIX, os.SOCK_DGRAM);
        equal(os.bind(named, { path: '' }), 0); equal(os.getsockname(named).path[0], '\0', 'the system chooses a name (unix(7))');
        const odd = `\0jsserve\0${Math.random()}\0`, seq = bound(os.SOCK_SEQPACKET, { family: os.AF_UNIX, path: odd });
        equal(os.listen(seq), 0); equal(os.getsockname(seq).path, odd);
        const near = os.socket(os.AF_UNIX, os.SOCK_SEQPACKET), next = os.accept(seq);
        equal(await os.connect(near, { path: odd }), 0);
        const [far] = await next;
        await os.send(near, 'first'); await os.send(near, 'second');
        equal(await os.recv(far, buffer, 3), 3); equal(await os.recv(far, buffer), 6); equal(text(buffer, 6), 'second');
        "#,
    );
    for entry in std::fs::read_dir("/tmp").expect("directory").flatten() {
        if entry.file_name().to_string_lossy().starts_with("jsserve-edge-") {
            std::fs::remove_file(entry.path()).expect("remove");
        }
    }
}
