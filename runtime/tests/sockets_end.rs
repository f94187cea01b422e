//! How a connection that was open ends: `closed`, the streams, what the peer sees; a test for each way.
//!
//! Owns: peers made with `os`. Must not know: how links work.

use crate::sockets::check;

#[test]
fn close_sends_what_was_written_before_its_fin() {
    check(
        "
        const [socket, fd] = await joined();
        const writer = socket.writable.getWriter();
        const written = [writer.write('one '), writer.write('two '), writer.write('x'.repeat(3000000))];
        const closed = socket.close();
        equal(closed, socket.closed);
        const late = writer.write('late').then(() => 'sent', (e) => e.name);
        const got = await heard(fd);
        equal(got.length, 3000008);
        ok(got.startsWith('one two xxx'));
        equal(await closed, undefined);
        await Promise.all(written);
        equal(await late, 'TypeError');
        equal(await writer.closed, undefined);
        os.close(fd);
        ",
    );
}

#[test]
fn close_with_a_reason_flushes_and_errors_the_writable_with_it() {
    check(
        "
        const [socket, fd] = await joined();
        const [writer, reader, reason] = [socket.writable.getWriter(), socket.readable.getReader(), new Error('mine')];
        const reading = reader.read();
        const written = writer.write('hello');
        equal(await socket.close(reason), undefined);
        await written;
        equal(await writer.closed.catch((e) => e), reason);
        same(await reading, { done: true });
        equal(await heard(fd), 'hello');
        os.close(fd);
        ",
    );
}

// Ten seconds: the one bound of a close that waits for its peer.
#[test]
fn close_gives_up_on_a_peer_that_takes_nothing() {
    check(
        "
        const [socket, fd] = await joined();
        const writer = socket.writable.getWriter();
        const written = writer.write(new Uint8Array(32 << 20)).catch((e) => e);
        const begin = Date.now();
        equal(await socket.close(), undefined);
        ok(Date.now() - begin > 9000, 'it waited');
        const error = await written;
        ok(error instanceof SocketError && error.code === 'ETIMEDOUT', String(error));
        os.close(fd);
        ",
    );
}

#[test]
fn close_twice_gives_one_promise() {
    check(
        "
        const [socket, fd] = await joined();
        const closed = socket.close();
        equal(socket.close(new Error('later')), closed);
        equal(await closed, undefined);
        equal(socket.close(), closed);
        equal(await heard(fd), '');
        os.close(fd);
        ",
    );
}

// RFC 1122 section 4.2.2.13: a close with unread bytes is a reset; it must not overtake what was sent.
#[test]
fn close_with_unread_bytes_does_not_cost_the_peer_what_was_sent() {
    check(
        "
        const [socket, fd] = await joined();
        await os.send(fd, 'unread bytes');
        const writer = socket.writable.getWriter();
        await writer.write('answer');
        await socket.close();
        equal(await heard(fd), 'answer');
        os.close(fd);
        ",
    );
}

#[test]
fn without_half_open_the_peers_fin_ends_both_streams_and_closes() {
    check(
        "
        const [socket, fd] = await joined();
        await os.send(fd, 'bye');
        os.shutdown(fd, os.SHUT_WR);
        equal(await rest(socket.readable), 'bye');
        equal(await socket.closed, undefined);
        equal((await socket.writable.getWriter().write('x').catch((e) => e)).name, 'TypeError');
        equal(await heard(fd), '', 'our FIN');
        os.close(fd);
        ",
    );
}

#[test]
fn without_half_open_what_was_written_before_the_peers_fin_still_goes_out() {
    check(
        "
        const [socket, fd] = await joined();
        const writer = socket.writable.getWriter();
        const written = writer.write('y'.repeat(4000000));
        os.shutdown(fd, os.SHUT_WR);
        equal((await heard(fd)).length, 4000000);
        await written;
        equal(await socket.closed, undefined);
        os.close(fd);
        ",
    );
}

#[test]
fn with_half_open_the_writable_outlives_the_peers_fin() {
    check(
        "
        const [socket, fd] = await joined({ allowHalfOpen: true });
        await os.send(fd, 'question');
        os.shutdown(fd, os.SHUT_WR);
        equal(await rest(socket.readable), 'question');
        ok(await isPending(socket.closed));
        const writer = socket.writable.getWriter();
        await writer.write('answer');
        await writer.close();
        equal(await socket.closed, undefined);
        equal(await heard(fd), 'answer');
        os.close(fd);
        ",
    );
}

#[test]
fn our_fin_first_leaves_the_readable_open() {
    for options in ["undefined", "{ allowHalfOpen: true }"] {
        check(&format!(
            "
            const [socket, fd] = await joined({options});
            const writer = socket.writable.getWriter();
            await writer.write('question');
            await writer.close();
            equal(await heard(fd), 'question');
            ok(await isPending(socket.closed));
            await os.send(fd, 'answer');
            os.close(fd);
            equal(await rest(socket.readable), 'answer');
            equal(await socket.closed, undefined);
            "
        ));
    }
}

#[test]
fn a_fin_is_heard_while_nobody_reads() {
    check(
        "
        const [socket, fd] = await joined();
        os.close(fd);
        equal(await socket.closed, undefined);
        same(await socket.readable.getReader().read(), { done: true });
        ",
    );
}

#[test]
fn a_fin_with_data_unread_closes_and_the_data_can_still_be_read() {
    check(
        "
        const [socket, fd] = await joined();
        await os.send(fd, 'left behind');
        os.close(fd);
        equal(await socket.closed, undefined);
        equal(await rest(socket.readable), 'left behind');
        ",
    );
}

#[test]
fn a_fin_behind_a_reader_that_has_stopped_closes_too() {
    check(
        "
        const [socket, fd] = await joined();
        const reader = socket.readable.getReader();
        await os.send(fd, 'first');
        equal(text((await reader.read()).value, 5), 'first');
        await os.send(fd, 'second');
        os.close(fd);
        equal(await socket.closed, undefined);
        equal(text((await reader.read()).value, 6), 'second');
        same(await reader.read(), { done: true });
        ",
    );
}

#[test]
fn a_reset_fails_the_read_that_waits_and_closes() {
    for options in ["undefined", "{ allowHalfOpen: true }"] {
        check(&format!(
            "
            const [socket, fd] = await joined({options});

            const reading = socket.readable.getReader().read().catch((e) => e);
            reset(fd);
            const error = await reading;
            ok(error instanceof SocketError && error.code === 'ECONNRESET', String(error));
            equal(await socket.closed, undefined);
            const late = await socket.writable.getWriter().write('x').catch((e) => e);
            ok(late instanceof SocketError, String(late));
            "
        ));
    }
}

#[test]
fn a_reset_is_heard_while_nobody_reads() {
    for options in ["undefined", "{ allowHalfOpen: true }"] {
        check(&format!(
            "
            const [socket, fd] = await joined({options});

            reset(fd);
            equal(await socket.closed, undefined);
            equal(await end(socket.readable.getReader().read()), 'SocketError ECONNRESET');
            equal(await end(socket.writable.getWriter().closed), 'SocketError ECONNRESET');
            "
        ));
    }
}

#[test]
fn writing_to_a_peer_that_is_gone_fails_and_closes() {
    check(
        "
        const [socket, fd] = await joined({ allowHalfOpen: true });
        os.close(fd);
        const writer = socket.writable.getWriter();
        let error;
        for (let i = 0; i < 1000 && error === undefined; i++) {
          error = await writer.write('x').then(() => new Promise((r) => setTimeout(r, 5)), (e) => e);
        }
        ok(error instanceof SocketError && ['EPIPE', 'ECONNRESET'].includes(error.code), String(error));
        equal(await socket.closed, undefined);
        ",
    );
}

#[test]
fn an_aborted_writable_resets_the_connection() {
    check(
        "
        for (const reason of [undefined, new Error('mine')]) {
          const [socket, fd] = await joined();
          await socket.opened;
          const reading = socket.readable.getReader().read().catch((e) => e);
          await socket.writable.abort(reason);
          const error = await reading;
          if (reason === undefined) ok(error instanceof SocketError && error.code === 'ECONNABORTED');
          else equal(error, reason);
          equal(await socket.closed, undefined);
          equal(await heard(fd), 'ECONNRESET');
          os.close(fd);
        }
        ",
    );
}

#[test]
fn a_chunk_that_is_no_bytes_resets_the_connection() {
    check(
        "
        for (const wrong of [5, {}, null, [1]]) {
          const [socket, fd] = await joined();
          equal(await end(socket.writable.getWriter().write(wrong)), 'TypeError undefined');
          equal(await socket.closed, undefined);
          equal(await heard(fd), 'ECONNRESET');
          os.close(fd);
        }
        ",
    );
}

#[test]
fn a_cancelled_readable_leaves_the_writable_open() {
    check(
        "
        const [socket, fd] = await joined();
        const reader = socket.readable.getReader();
        const reading = reader.read();
        await reader.cancel('enough');
        same(await reading, { done: true });
        ok(await isPending(socket.closed));
        const writer = socket.writable.getWriter();
        await writer.write('still there');
        await writer.close();
        equal(await socket.closed, undefined, 'nothing is left to do');
        equal(await heard(fd), 'still there');
        os.close(fd);
        ",
    );
}

#[test]
fn a_cancelled_readable_still_hears_the_peers_fin() {
    check(
        "
        const [socket, fd] = await joined();
        await socket.readable.cancel();
        os.close(fd);
        equal(await socket.closed, undefined);
        ",
    );
}

#[test]
fn descriptors_are_closed_with_their_sockets_and_with_garbage() {
    check(
        "
        const count = () => os.readdir('/proc/self/fd')[0].length;
        await joined().then(([socket, fd]) => { os.close(fd); return socket.closed; });
        const before = count();
        for (let i = 0; i < 20; i++) {
          const [socket, fd] = await joined();
          if (i % 4 === 0) await socket.close();
          if (i % 4 === 1) { os.shutdown(fd, os.SHUT_WR); await rest(socket.readable); await socket.closed; }
          if (i % 4 === 2) { reset(fd); await socket.closed; continue; }
          if (i % 4 === 3) { await os.send(fd, 'unread'); os.close(fd); await socket.closed; continue; }
          os.close(fd);
        }
        globalThis.__before = before;
        ok(count() <= before + 5, `${count()} after ${before}: only those with unread data wait for the collector`);
        ",
    );
}
