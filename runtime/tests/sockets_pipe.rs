//! Pipes between sockets, whose bytes pass by without JavaScript: order, options, ends, failures.
//!
//! Owns: peers made with `os`. Must not know: how the bytes move, or that JavaScript does not see them.

use crate::sockets::check;

/// A pair of sockets and their peers, and what scripts about pipes need.
const PRELUDE: &str = r#"
const block = new Uint8Array(1 << 20);
for (let i = 0; i < block.length; i++) block[i] = i * 7 % 251;
// Sends until nobody takes more for a while: how many bytes.
const flood = (fd) => {
  const it = { sent: 0, stopped: false };
  it.done = (async () => { while (!it.stopped && it.sent < 64 << 20) { await os.send(fd, block, block.length, true); it.sent += block.length; } })();
  it.stalls = async () => {
    for (let before = -1; before !== it.sent;) { before = it.sent; await new Promise((r) => setTimeout(r, 100)); }
    ok(it.sent < 64 << 20, 'somebody took it all');
  };
  return it;
};
// Reads `count` bytes of what `flood` sends, from the position it has come to.
const reading = (fd) => {
  const buffer = new Uint8Array(1 << 20);
  let at = 0;
  return async (count = Infinity) => {
    for (let left = count; left > 0;) {
      const got = await os.recv(fd, buffer, Math.min(left, buffer.length));
      if (got === 0) return at;
      for (let i = 0; i < got; i += 97) equal(buffer[i], (at + i) % (1 << 20) * 7 % 251, `byte ${at + i}`);
      at += got; left -= got;
    }
    return at;
  };
};
const short = (length) => new ArrayBuffer(length);
const exactly = async (fd, wanted) => {
  const buffer = short(wanted.length);
  equal(await os.recv(fd, buffer, wanted.length, true), wanted.length);
  equal(text(buffer, wanted.length), wanted);
};
const write = async (socket, words) => {
  const writer = socket.writable.getWriter();
  await writer.write(words);
  writer.releaseLock();
};
const [a, client] = await joined({ allowHalfOpen: true });
const [b, server] = await joined({ allowHalfOpen: true });
const [shut, free] = [() => { ok(a.readable.locked && b.writable.locked); throws(() => a.readable.getReader(), 'TypeError'); throws(() => b.writable.getWriter(), 'TypeError'); },
  () => ok(!a.readable.locked && !b.writable.locked)];
const bye = async (...all) => { all.forEach((fd) => os.close(fd)); await Promise.allSettled([a.close(), b.close()]); };
"#;

fn pipes(body: &str) {
    check(&format!("{PRELUDE}\n{body}"));
}

#[test]
fn both_streams_are_locked_until_all_is_written() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable);
        shut();
        await os.send(client, 'some');
        await exactly(server, 'some');
        shut();
        const sent = flood(client);
        await sent.stalls();
        shut();
        const read = reading(server);
        await read(sent.sent);
        sent.stopped = true;
        const all = read();
        await sent.done;
        os.shutdown(client, os.SHUT_WR);
        equal(await all, sent.sent);
        equal(await piped, undefined);
        free();
        equal((await b.writable.getWriter().closed.catch(fail)), undefined);
        same(await a.readable.getReader().read(), { done: true });
        await bye(client, server);
        ",
    );
}

#[test]
fn an_end_with_prevent_close_leaves_the_target_to_others() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable, { preventClose: true });
        await os.send(client, 'one ');
        os.close(client);
        equal(await piped, undefined);
        free();
        await write(b, 'two');
        await exactly(server, 'one two');
        equal(b.writable.getWriter().desiredSize, 65536);
        await bye(server);
        ",
    );
}

#[test]
fn a_target_can_have_several_sources_in_turn() {
    pipes(
        "
        const [c, other] = await joined();
        os.send(client, 'first '); os.shutdown(client, os.SHUT_WR);
        await a.readable.pipeTo(b.writable, { preventClose: true });
        await new Response('second ').body.pipeTo(b.writable, { preventClose: true });
        await new Blob(['third ']).stream().pipeTo(b.writable, { preventClose: true });
        await ReadableStream.from([new Uint8Array([33, 32]), 'fourth ']).pipeTo(b.writable, { preventClose: true });
        const last = c.readable.pipeTo(b.writable);
        await os.send(other, 'last');
        os.close(other);
        await last;
        equal(await heard(server), 'first second third ! fourth last');
        await bye(client, server);
        await c.closed;
        ",
    );
}

// \"Errors must be propagated forward\" (Streams Standard section 4.9.1).
#[test]
fn a_reset_of_the_source_aborts_the_target_and_with_prevent_abort_does_not() {
    pipes(
        "
        const prevented = a.readable.pipeTo(b.writable, { preventAbort: true });
        await os.send(client, 'one ');
        await exactly(server, 'one ');
        reset(client);
        const error = await prevented.catch((e) => e);
        ok(error instanceof SocketError && error.code === 'ECONNRESET', String(error));
        free();
        equal(await a.readable.getReader().read().catch((e) => e), error);
        await write(b, 'two');
        await exactly(server, 'two');
        const [c, third] = await joined();
        const piped = c.readable.pipeTo(b.writable);
        await os.send(third, 'three');
        await exactly(server, 'three');
        reset(third);
        const last = await piped.catch((e) => e);
        equal(last.code, 'ECONNRESET');
        equal(await b.writable.getWriter().closed.catch((e) => e), last);
        equal(await heard(server), 'ECONNRESET');
        await b.closed;
        await bye(server);
        ",
    );
}

// \"Errors must be propagated backward\".
#[test]
fn a_reset_of_the_target_cancels_the_source_and_with_prevent_cancel_does_not() {
    pipes(
        "
        const prevented = a.readable.pipeTo(b.writable, { preventCancel: true });
        await os.send(client, 'one ');
        await exactly(server, 'one ');
        reset(server);
        const error = await prevented.catch((e) => e);
        ok(error instanceof SocketError && error.code === 'ECONNRESET', String(error));
        free();
        await os.send(client, 'two');
        const reader = a.readable.getReader();
        equal(text((await reader.read()).value, 3), 'two');
        reader.releaseLock();
        const [c, third] = await joined();
        const piped = a.readable.pipeTo(c.writable);
        await os.send(client, 'three');
        await exactly(third, 'three');
        reset(third);
        equal((await piped.catch((e) => e)).code, 'ECONNRESET');
        same(await a.readable.getReader().read(), { done: true });
        await bye(client);
        ",
    );
}

#[test]
fn a_reset_of_a_target_that_takes_nothing_ends_the_pipe() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable);
        const sent = flood(client);
        await sent.stalls();
        reset(server);
        const error = await piped.catch((e) => e);
        ok(error instanceof SocketError && error.code === 'ECONNRESET', String(error));
        equal(await b.closed, undefined);
        same(await a.readable.getReader().read(), { done: true });
        sent.stopped = true;
        const closing = a.close();
        await sent.done.catch(() => undefined);
        os.close(client);
        await closing;
        ",
    );
}

// \"Closing must be propagated backward\".
#[test]
fn a_target_that_is_closed_here_sends_what_was_taken_and_ends_the_pipe() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable).catch((e) => e);
        const sent = flood(client);
        await sent.stalls();
        const closing = b.close();
        const got = await reading(server)();
        ok(got > 0 && got <= sent.sent);
        equal(await closing, undefined);
        const error = await piped;
        equal(error.constructor, TypeError);
        free();
        same(await a.readable.getReader().read(), { done: true });
        sent.stopped = true;
        a.close();
        await sent.done.catch(() => undefined);
        await bye(client, server);
        ",
    );
}

#[test]
fn a_target_without_half_open_ends_with_its_peer() {
    pipes(
        "
        const [c, third] = await joined();
        const piped = a.readable.pipeTo(c.writable, { preventCancel: true }).catch((e) => e);
        await os.send(client, 'one');
        await exactly(third, 'one');
        os.shutdown(third, os.SHUT_WR);
        equal((await piped).constructor, TypeError);
        equal(await c.closed, undefined);
        equal(await heard(third), '');
        await os.send(client, 'two');
        equal(text((await a.readable.getReader().read()).value, 3), 'two');
        await bye(client, third, server);
        ",
    );
}

#[test]
fn a_source_that_is_closed_here_ends_the_pipe_well() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable);
        const sent = flood(client);
        await sent.stalls();
        sent.stopped = true;
        const closing = a.close();
        const got = await reading(server)();
        ok(got > 0 && got <= sent.sent);
        equal(await piped, undefined);
        await closing;
        await sent.done.catch(() => undefined);
        await bye(client, server);
        ",
    );
}

#[test]
fn an_abort_by_a_signal_ends_both_sides() {
    pipes(
        "
        const controller = new AbortController();
        const piped = a.readable.pipeTo(b.writable, { signal: controller.signal }).catch((e) => e);
        await os.send(client, 'one');
        await exactly(server, 'one');
        const reason = new Error('enough');
        controller.abort(reason);
        equal(await piped, reason);
        free();
        equal(await b.writable.getWriter().closed.catch((e) => e), reason);
        same(await a.readable.getReader().read(), { done: true });
        equal(await heard(server), 'ECONNRESET');
        const late = a.readable.pipeTo(b.writable, { signal: controller.signal });
        equal((await late.catch((e) => e)).constructor, TypeError, 'locked');
        await bye(client, server);
        ",
    );
}

#[test]
fn a_signal_that_is_aborted_already_moves_nothing() {
    pipes(
        "
        await os.send(client, 'kept');
        const how = { signal: AbortSignal.abort(7), preventAbort: true, preventCancel: true };
        equal(await a.readable.pipeTo(b.writable, how).catch((e) => e), 7);
        free();
        equal(text((await a.readable.getReader().read()).value, 4), 'kept');
        await write(b, 'of mine');
        await exactly(server, 'of mine');
        await bye(client, server);
        ",
    );
}

// \"Shutdown with an action\", step 3: what was read is written first.
#[test]
fn an_abort_loses_nothing_that_was_read() {
    pipes(
        "
        const controller = new AbortController();
        const how = { signal: controller.signal, preventAbort: true, preventCancel: true };
        let ended = false;
        const piped = a.readable.pipeTo(b.writable, how).catch((e) => { ended = true; return e; });
        const sent = flood(client);
        await sent.stalls();
        controller.abort();
        await new Promise((r) => setTimeout(r, 50));
        ok(!ended, 'what was read has not gone out yet');
        shut();
        const all = reading(server)();
        equal((await piped).name, 'AbortError');
        free();
        // The rest goes by hand.
        sent.stopped = true;
        const byHand = (async () => {
          for await (const chunk of a.readable) { const w = b.writable.getWriter(); await w.write(chunk); w.releaseLock(); }
          await b.writable.close();
        })();
        await sent.done;
        os.shutdown(client, os.SHUT_WR);
        await byHand;
        equal(await all, sent.sent);
        await bye(client, server);
        ",
    );
}

#[test]
fn a_sink_that_takes_nothing_holds_its_source_back() {
    pipes(
        "
        const piped = a.readable.pipeTo(b.writable);
        const sent = flood(client);
        await sent.stalls();
        // What the system holds for four ends, and little more.
        ok(sent.sent < 40 << 20, `${sent.sent} bytes were taken`);
        const read = reading(server);
        await read(sent.sent);
        sent.stopped = true;
        const all = read();
        await sent.done;
        os.close(client);
        await piped;
        equal(await all, sent.sent);
        await bye(server);
        ",
    );
}
