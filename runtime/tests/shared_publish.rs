//! `publish` of `jsserve:shared`: from one context to subscribers of its own thread and of others.
//!
//! Owns: a subscriber that remembers. Must not know: what subscribes in a server.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::Module;
use runtime::bus::{Delivery, Member, Message, Subscriber, Subscriptions};
use runtime::js::cluster::Cluster;
use runtime::modules::web::topics;

use crate::driver::{self, Driver, on_worker};
use crate::os_workers::{self, Files};

#[derive(Default)]
struct Remembering(RefCell<Vec<Message>>);

impl Subscriber for Remembering {
    fn deliver(&self, delivery: &Delivery<'_>) {
        self.0.borrow_mut().push(delivery.message().clone());
    }
}

fn subscribed(member: Rc<Member>, topic: &str) -> (Rc<Remembering>, Subscriptions) {
    let who = Rc::new(Remembering::default());
    let weak: Rc<dyn Subscriber> = who.clone();
    let subscriptions = Subscriptions::new(member, Rc::downgrade(&weak));
    subscriptions.subscribe(topic).expect("room");
    (who, subscriptions)
}

fn with_publish(cluster: Arc<Cluster>) -> Driver {
    let driver = driver::within(cluster);
    let source = "import shared, { publish } from 'jsserve:shared'; globalThis.publish = publish; globalThis.one = shared.publish === publish";
    driver
        .engine
        .turn(|ctx| Module::evaluate(ctx.clone(), "/main.js", source).map(drop).expect("the module"));
    driver
}

#[test]
fn publish_says_how_many_subscribers_of_its_thread_got_it_and_strings_and_bytes_arrive_as_such() {
    on_worker(|| async {
        let app = Arc::new(Cluster::default());
        let (one, two) = (with_publish(app.clone()), with_publish(app));
        assert_eq!(one.text("[publish('a', 'x'), one].join()"), "0,true");
        let (here, _of_here) = subscribed(topics::member(one.engine.state()), "a");
        let (there, _of_there) = subscribed(topics::member(two.engine.state()), "a");
        let all = "[publish('a', 'é\\uD800'), publish('a', new Uint8Array([1, 2, 3]).subarray(1)), publish('a', new ArrayBuffer(2)), publish('a', ''), publish('b', 'no')].join()";
        assert_eq!(one.text(all), "1,1,1,1,0");
        let binary = |bytes: &[u8]| Message::Binary(bytes.into());
        let expected =
            [Message::Text("é\u{fffd}".into()), binary(&[2, 3]), binary(&[0, 0]), Message::Text("".into())];
        assert_eq!(*here.0.borrow(), expected);
        os_workers::eventually("the others come", || there.0.borrow().len() == 4).await;
        assert_eq!(*there.0.borrow(), expected);
        one.run(
            "for (const wrong of [1, null, undefined, {}, [], new Blob([])]) throws(() => publish('a', wrong), 'TypeError'); throws(() => publish('a'), 'TypeError'); throws(() => publish(1, 'x'), 'TypeError');
             throws(() => publish('', 'x'), 'RangeError'); throws(() => publish('x'.repeat(1025), 'x'), 'RangeError'); equal(publish('é'.repeat(512), 'x'), 0)",
        );
    });
}

#[test]
fn a_thread_of_os_worker_publishes_to_its_app() {
    on_worker(|| async {
        let files = Files::new(&[(
            "thread.js",
            "import { publish } from 'jsserve:shared'; for (let i = 0; i < 100; i++) if (publish('a', String(i)) !== 0) throw 'none is here';",
        )]);
        let driver = with_publish(Arc::default());
        let (here, _of_here) = subscribed(topics::member(driver.engine.state()), "a");
        let source = format!("import * as os from 'os'; new os.Worker('{}/thread.js')", files.folder());
        driver
            .engine
            .turn(|ctx| Module::evaluate(ctx.clone(), "/start.js", source).map(drop).expect("the module"));
        os_workers::eventually("all come", || here.0.borrow().len() == 100).await;
        let expected: Vec<_> = (0..100).map(|i| Message::Text(i.to_string().into())).collect();
        assert_eq!(*here.0.borrow(), expected, "in their order");
    });
}
