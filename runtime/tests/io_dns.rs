//! The resolver: literals, the hosts file, servers, search lists, time-outs, on both backends.
//!
//! Owns: nothing. Must not know: JavaScript.

use crate::dns_server;
use crate::io_harness;

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use runtime::io;
use runtime::io::dns::{self, Family, LookupError, QUESTIONS_MAX, Resolver};

on_both!(
    what_needs_no_question_asks_none,
    servers_are_asked_for_both_families,
    a_changed_hosts_file_is_read_again,
    the_search_list_counts_dots,
    failures_are_told_apart,
    a_server_that_is_silent_times_out,
    a_truncated_answer_is_asked_for_again_over_tcp,
    questions_in_flight_are_bounded,
    questions_end_with_who_asked_them,
);

async fn ips(resolver: &Resolver, host: &str, family: Family) -> Result<Vec<String>, LookupError> {
    let found = io_harness::within(Duration::from_secs(15), resolver.lookup(host, 0, family)).await?;
    Ok(found.iter().map(|addr| addr.ip().to_string()).collect())
}

async fn what_needs_no_question_asks_none() {
    let server = dns_server::start();
    let resolver = server.resolver("10.1.2.3 Known alias # not this\n::9 known\n", "");
    type Case = (&'static str, Family, Result<&'static [&'static str], LookupError>);
    let cases: [Case; 14] = [
        ("127.0.0.1", Family::Any, Ok(&["127.0.0.1"])),
        ("127.0.0.1", Family::V6, Err(LookupError::NoData)),
        ("::1", Family::V6, Ok(&["::1"])),
        ("0x7f.1", Family::V4, Ok(&["127.0.0.1"])),
        ("KNOWN", Family::V4, Ok(&["10.1.2.3"])),
        ("known.", Family::V6, Ok(&["::9"])),
        ("alias", Family::Any, Ok(&["10.1.2.3"])),
        ("localhost", Family::Any, Ok(&["::1", "127.0.0.1"])),
        ("a.b.LocalHost.", Family::V4, Ok(&["127.0.0.1"])),
        ("nothing.invalid", Family::Any, Err(LookupError::NotFound)),
        ("", Family::Any, Err(LookupError::NotFound)),
        ("two words", Family::Any, Err(LookupError::NotFound)),
        ("nul\0", Family::Any, Err(LookupError::NotFound)),
        (".", Family::Any, Err(LookupError::NotFound)),
    ];
    for (host, family, wanted) in cases {
        let wanted = wanted.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(ips(&resolver, host, family).await, wanted, "{host:?}");
    }
    let scoped = resolver.lookup("fe80::1%1", 80, Family::Any).await.expect("a literal");
    assert_eq!(scoped[0].to_string(), "[fe80::1%1]:80");
    assert_eq!(ips(&resolver, &"x".repeat(300), Family::Any).await, Err(LookupError::NotFound));
    assert!(server.asked.lock().expect("no panic").is_empty());
    assert_eq!(dns::lookup("127.0.0.1", 7, Family::Any).await.expect("a literal")[0].port(), 7);
}

async fn servers_are_asked_for_both_families() {
    let server = dns_server::start();
    let resolver = server.resolver("", "");
    let mut both = ips(&resolver, "both.example", Family::Any).await.expect("addresses");
    both.sort();
    assert_eq!(both, ["192.0.2.1", "2001:db8::1"]);
    assert_eq!(ips(&resolver, "both.example", Family::V6).await, Ok(vec!["2001:db8::1".into()]));
    assert_eq!(ips(&resolver, "Both.Example.", Family::V4).await, Ok(vec!["192.0.2.1".into()]));
    assert_eq!(ips(&resolver, "alias.example", Family::V4).await, Ok(vec!["192.0.2.9".into()]));
    assert_eq!(server.count("both.example./1"), 1, "the answer is kept while it lives");
}

async fn a_changed_hosts_file_is_read_again() {
    let server = dns_server::start();
    let config = server.config("10.0.0.1 name\n", "");
    let resolver = Resolver::new(config.clone());
    assert_eq!(ips(&resolver, "name", Family::Any).await, Ok(vec!["10.0.0.1".into()]));
    std::fs::write(&config.hosts, "10.0.0.22 name\n").expect("write");
    let file = std::fs::File::options().write(true).open(&config.hosts).expect("open");
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).expect("utimes");
    assert_eq!(ips(&resolver, "name", Family::Any).await, Ok(vec!["10.0.0.22".into()]));
    std::fs::remove_file(&config.hosts).expect("remove");
    assert_eq!(ips(&resolver, "name", Family::Any).await, Err(LookupError::NotFound));
}

async fn the_search_list_counts_dots() {
    let server = dns_server::start();
    let resolver = server.resolver("", "search search.example\noptions ndots:1");
    assert_eq!(ips(&resolver, "host", Family::V4).await, Ok(vec!["192.0.2.2".into()]));
    assert_eq!(server.count("host./"), 0, "a name without dots is searched first");
    assert_eq!(ips(&resolver, "v4.example", Family::V4).await, Ok(vec!["192.0.2.1".into()]));
    assert_eq!(server.count("v4.example.search"), 0, "a name with a dot is tried as it is first");
    assert_eq!(ips(&resolver, "host.", Family::V4).await, Err(LookupError::NotFound));
}

async fn failures_are_told_apart() {
    let server = dns_server::start();
    let resolver = server.resolver("", "options timeout:1 attempts:1");
    assert_eq!(ips(&resolver, "missing.example", Family::Any).await, Err(LookupError::NotFound));
    assert_eq!(ips(&resolver, "v4.example", Family::V6).await, Err(LookupError::NoData));
    assert_eq!(ips(&resolver, "broken.example", Family::Any).await, Err(LookupError::TryAgain));
    let searching = server.resolver("", "search search.example\noptions timeout:1 attempts:1");
    assert_eq!(ips(&searching, "v4.example", Family::V6).await, Err(LookupError::NoData));
    assert_eq!(ips(&searching, "broken.example", Family::Any).await, Err(LookupError::TryAgain));
    let error = std::io::Error::from(LookupError::NotFound);
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

async fn a_server_that_is_silent_times_out() {
    let server = dns_server::start();
    let resolver = server.resolver("", "options timeout:1 attempts:1");
    let (begin, mut ticks) = (Instant::now(), 0);
    let lost = io::spawn(async move { ips(&resolver, "silent.example", Family::V4).await });
    while !lost.is_finished() {
        io::sleep(Duration::from_millis(20)).await;
        ticks += 1;
        assert!(begin.elapsed() < Duration::from_secs(10), "the time-out works");
    }
    assert_eq!(lost.await, Some(Err(LookupError::TryAgain)));
    assert!(ticks > 10, "the worker went on meanwhile: {ticks}");
}

async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = dns_server::start();
    let resolver = server.resolver("", "");
    assert_eq!(ips(&resolver, "large.example", Family::V4).await.expect("addresses").len(), 100);
    assert_eq!(server.count("large.example./1/tcp"), 1);
}

async fn questions_in_flight_are_bounded() {
    let server = dns_server::start();
    let resolver = server.resolver("", "options timeout:1 attempts:1");
    let mut pending = Vec::new();
    for _ in 0..QUESTIONS_MAX + 5 {
        let resolver = resolver.clone();
        pending.push(io::spawn(async move { ips(&resolver, "silent.example", Family::V4).await }));
    }
    let mut busy = 0;
    for question in pending {
        match question.await.expect("no panic") {
            Err(LookupError::Busy) => busy += 1,
            other => assert_eq!(other, Err(LookupError::TryAgain)),
        }
    }
    assert_eq!(busy, 5);
    assert_eq!(ips(&resolver, "v4.example", Family::V4).await, Ok(vec!["192.0.2.1".into()]), "room again");
}

async fn questions_end_with_who_asked_them() {
    let server = dns_server::start();
    let resolver = server.resolver("", "options timeout:20 attempts:1");
    let ask = |_| Box::pin(resolver.lookup("silent.example", 0, Family::V4));
    let mut asked: Vec<_> = (0..QUESTIONS_MAX).map(ask).collect();
    poll_fn(|cx| {
        asked.iter_mut().for_each(|question| assert!(question.as_mut().poll(cx).is_pending()));
        Poll::Ready(())
    })
    .await;
    assert_eq!(ips(&resolver, "v4.example", Family::V4).await, Err(LookupError::Busy));
    drop(asked);
    let since = Instant::now();
    loop {
        match ips(&resolver, "v4.example", Family::V4).await {
            Err(LookupError::Busy) if since.elapsed() < Duration::from_secs(15) => {
                io::sleep(Duration::from_millis(5)).await;
            }
            other => return assert_eq!(other, Ok(vec!["192.0.2.1".into()])),
        }
    }
}

#[test]
fn the_blocking_form_waits_without_a_worker() {
    let server = dns_server::start();
    let resolver = server.resolver("", "options timeout:1 attempts:1");
    let found = resolver.lookup_blocking("v4.example", 443, Family::Any).expect("addresses");
    assert_eq!(found, ["192.0.2.1:443".parse().expect("address")]);
    assert_eq!(resolver.lookup_blocking("silent.example", 1, Family::V4), Err(LookupError::TryAgain));
}

#[test]
fn many_threads_ask_one_resolver() {
    let server = dns_server::start();
    let resolver = server.resolver("", "");
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let resolver = resolver.clone();
            std::thread::spawn(move || {
                for i in 0..10 {
                    let name = format!("many-{thread}-{i}.example");
                    assert!(resolver.lookup_blocking(&name, 1, Family::Any).is_ok(), "{name}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}
