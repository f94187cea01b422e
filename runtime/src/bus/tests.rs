//! The rules of the bus, each with members of two or more threads, on both backends.
//!
//! Owns: a subscriber that remembers what it got. Must not know: who subscribes in a server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::*;
use crate::io::{self, Backend, IoOptions};

/// Remembers what it got, and does something with each.
struct Remembering {
    got: RefCell<Vec<(String, String)>>,
    then: RefCell<Box<dyn FnMut()>>,
    forms: RefCell<Vec<Rc<usize>>>,
    made: Cell<usize>,
}

impl Remembering {
    fn new() -> Rc<Remembering> {
        Rc::new(Remembering {
            got: RefCell::default(),
            then: RefCell::new(Box::new(|| ())),
            forms: RefCell::default(),
            made: Cell::new(0),
        })
    }

    fn texts(&self) -> Vec<String> {
        self.got.borrow().iter().map(|(_, text)| text.clone()).collect()
    }
}

impl Subscriber for Remembering {
    fn deliver(&self, delivery: &Delivery<'_>) {
        let text = String::from_utf8_lossy(delivery.message().bytes()).into_owned();
        self.got.borrow_mut().push((delivery.topic().to_owned(), text));
        self.forms.borrow_mut().push(delivery.form(|message| {
            self.made.set(self.made.get() + 1);
            message.len()
        }));
        (self.then.borrow_mut())();
    }
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

fn subscriptions(member: &Rc<Member>, who: &Rc<Remembering>) -> Subscriptions {
    let who: Rc<dyn Subscriber> = who.clone();
    Subscriptions::new(member.clone(), Rc::downgrade(&who))
}

fn on_both(test: impl Fn(Rc<dyn Fn(u64) -> Rc<Member>>, Arc<Bus>) -> Box<dyn Future<Output = ()>>) {
    for backend in [Backend::Uring, Backend::Epoll] {
        if backend == Backend::Uring && io::probe(64).is_err() {
            eprintln!("SKIPPED: io_uring is refused here");
            continue;
        }
        let bus = Arc::new(Bus::default());
        bus.set_limits(BusLimits { mailbox_bytes_max: 1_000, subscriptions_max: 3, topics_max: 4 });
        let of_bus = bus.clone();
        let member = Rc::new(move |generation| Member::new(of_bus.clone(), generation));
        io::run(backend, &IoOptions::default(), || Box::into_pin(test(member, bus))).expect("a worker");
    }
}

async fn settle() {
    for _ in 0..20 {
        io::yield_now().await;
    }
}

#[test]
fn nothing_is_made_before_somebody_subscribes() {
    on_both(|member, bus| {
        Box::new(async move {
            let one = member(1);
            assert_eq!(one.publish("a", &text("1")), Published::default());
            assert_eq!((bus.topics(), Arc::strong_count(&bus)), (0, 3));
            let got = Remembering::new();
            let all = subscriptions(&one, &got);
            assert!(all.subscribe("a").unwrap() && !all.subscribe("a").unwrap());
            assert_eq!(bus.topics(), 1);
            assert!(all.unsubscribe("a") && !all.unsubscribe("a"));
            assert_eq!(bus.topics(), 0);
        })
    });
}

#[test]
fn a_message_is_here_at_once_and_elsewhere_by_the_mailbox() {
    on_both(|member, _| {
        Box::new(async move {
            let (one, two) = (member(1), member(2));
            let (here, there) = (Remembering::new(), Remembering::new());
            let (of_here, of_there) = (subscriptions(&one, &here), subscriptions(&two, &there));
            of_here.subscribe("a").unwrap();
            of_there.subscribe("a").unwrap();
            let published = one.publish("a", &text("1"));
            assert_eq!(published, Published { here: 1, posted: 1, dropped: 0 });
            assert_eq!((here.texts(), there.texts()), (vec!["1".to_owned()], vec![]));
            settle().await;
            assert_eq!(there.texts(), ["1"]);
            assert_eq!(of_here.publish("a", &text("2")).here, 0, "a subscriber does not get its own");
            of_there.unsubscribe("a");
            assert_eq!(one.publish("a", &text("3")), Published { here: 1, posted: 0, dropped: 0 });
            settle().await;
            assert_eq!(here.texts(), ["1", "3"]);
            assert_eq!(there.texts(), ["1"], "what waits for nobody is dropped");
        })
    });
}

#[test]
fn a_full_mailbox_loses_messages_of_its_thread_only_and_the_publisher_is_told() {
    on_both(|member, _| {
        Box::new(async move {
            let (one, two, three) = (member(1), member(2), member(3));
            let (at_two, at_three) = (Remembering::new(), Remembering::new());
            let (of_two, of_three) = (subscriptions(&two, &at_two), subscriptions(&three, &at_three));
            of_two.subscribe("a").unwrap();
            of_three.subscribe("b").unwrap();
            let long = text(&"x".repeat(400));
            assert_eq!(one.publish("a", &long).posted, 1);
            assert_eq!(one.publish("a", &long).posted, 1);
            assert_eq!(one.publish("a", &long), Published { here: 0, posted: 0, dropped: 1 });
            assert_eq!(one.publish("b", &long).posted, 1);
            settle().await;
            assert_eq!((at_two.texts().len(), at_three.texts().len()), (2, 1));
            assert_eq!(one.publish("a", &text(&"x".repeat(5_000))).posted, 1, "alone, a large one goes in");
            settle().await;
            assert_eq!(at_two.texts().len(), 3);
        })
    });
}

#[test]
fn subscriptions_of_one_and_topics_of_all_have_their_bounds() {
    on_both(|member, bus| {
        Box::new(async move {
            let (one, two) = (member(1), member(2));
            let got = Remembering::new();
            let (first, second) = (subscriptions(&one, &got), subscriptions(&two, &got));
            for topic in ["a", "b", "c"] {
                assert_eq!(first.subscribe(topic), Ok(true));
            }
            assert_eq!(first.subscribe("d"), Err(BusFull::Subscriptions(3)));
            assert_eq!(first.subscribe("a"), Ok(false));
            assert_eq!(second.subscribe("a"), Ok(true), "one topic, wherever its subscribers are");
            assert_eq!(second.subscribe("d"), Ok(true));
            assert_eq!(second.subscribe("e"), Err(BusFull::Topics(4)));
            assert!(BusFull::Topics(4).to_string().contains("--topics-max"));
            first.unsubscribe("c");
            assert_eq!(second.subscribe("e"), Ok(true));
            drop((first, second));
            assert_eq!(bus.topics(), 0);
        })
    });
}

#[test]
fn who_is_replaced_gets_nothing_more_and_who_takes_its_place_does() {
    on_both(|member, bus| {
        Box::new(async move {
            let (one, stuck) = (member(1), member(2));
            let (old, new) = (Remembering::new(), Remembering::new());
            let of_old = subscriptions(&stuck, &old);
            of_old.subscribe("a").unwrap();
            one.publish("a", &text("1"));
            bus.give_up(2);
            assert_eq!(bus.topics(), 0);
            let fresh = member(3);
            let of_new = subscriptions(&fresh, &new);
            of_new.subscribe("a").unwrap();
            of_old.subscribe("late").unwrap();
            assert_eq!(bus.topics(), 1);
            one.publish("a", &text("2"));
            assert_eq!(stuck.publish("a", &text("3")), Published { here: 1, posted: 1, dropped: 0 });
            settle().await;
            assert_eq!((old.texts(), new.texts()), (vec!["3".into()], vec!["2".into(), "3".into()]));
            drop((of_new, fresh));
            assert_eq!(one.publish("a", &text("4")).posted, 0, "a thread that ends leaves");
        })
    });
}

#[test]
fn subscriptions_change_in_the_middle_of_a_delivery() {
    on_both(|member, bus| {
        Box::new(async move {
            let one = member(1);
            let all: Vec<_> = (0..4).map(|_| Remembering::new()).collect();
            let of: Rc<Vec<_>> = Rc::new(all.iter().map(|who| subscriptions(&one, who)).collect());
            of[..3].iter().for_each(|of| assert!(of.subscribe("a").unwrap()));
            let inside = of.clone();
            let mut times = 0;
            *all[0].then.borrow_mut() = Box::new(move || {
                times += 1;
                if times == 1 {
                    inside[0].clear();
                    inside[1].clear();
                    inside[3].subscribe("a").unwrap();
                }
            });
            assert_eq!(one.publish("a", &text("1")).here, 2);
            assert_eq!(one.publish("a", &text("2")).here, 2);
            let texts: Vec<_> = all.iter().map(|who| who.texts().join(" ")).collect();
            assert_eq!(texts, ["1", "", "1 2", "2"]);
            drop(all[0].then.replace(Box::new(|| ())));
            drop(of);
            assert_eq!(bus.topics(), 0);
        })
    });
}

#[test]
fn a_form_is_made_once_for_all_subscribers_of_a_thread() {
    on_both(|member, _| {
        Box::new(async move {
            let one = member(1);
            let who = Remembering::new();
            let of: Vec<_> = (0..10).map(|_| subscriptions(&one, &who)).collect();
            of.iter().for_each(|of| assert!(of.subscribe("a").unwrap()));
            one.publish("a", &text("12345"));
            assert_eq!(who.made.get(), 1);
            assert!(who.forms.borrow().iter().all(|form| **form == 5) && who.forms.borrow().len() == 10);
        })
    });
}

#[test]
fn each_publishers_order_is_kept_on_every_thread_over_all_its_topics() {
    const THREADS: usize = 3;
    const MESSAGES: usize = 2_000;
    for backend in [Backend::Uring, Backend::Epoll] {
        if backend == Backend::Uring && io::probe(64).is_err() {
            continue;
        }
        let (bus, ready) = (Arc::new(Bus::default()), Arc::new(Barrier::new(THREADS)));
        let one = |number: usize| {
            let (bus, ready) = (bus.clone(), ready.clone());
            std::thread::spawn(move || {
                let run = async move {
                    let member = Member::new(bus, 0);
                    let who = Remembering::new();
                    let of = subscriptions(&member, &who);
                    ["a", "b"].iter().for_each(|topic| assert!(of.subscribe(topic).unwrap()));
                    ready.wait();
                    for message in 0..MESSAGES {
                        let topic = if message % 3 == 0 { "b" } else { "a" };
                        assert_eq!(member.publish(topic, &text(&format!("{number} {message}"))).dropped, 0);
                        if message % 100 == 0 {
                            io::yield_now().await;
                        }
                    }
                    let deadline = Instant::now() + Duration::from_secs(60);
                    while who.got.borrow().len() < THREADS * MESSAGES && Instant::now() < deadline {
                        io::sleep(Duration::from_millis(1)).await;
                    }
                    let got = who.texts();
                    for publisher in 0..THREADS {
                        let start = format!("{publisher} ");
                        let of: Vec<_> = got.iter().filter_map(|text| text.strip_prefix(&start)).collect();
                        let expected: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
                        assert_eq!(of, expected, "of {publisher} at {number}");
                    }
                };
                io::run(backend, &IoOptions::default(), || run).expect("a worker");
            })
        };
        let threads: Vec<_> = (0..THREADS).map(one).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(bus.topics(), 0);
    }
}
