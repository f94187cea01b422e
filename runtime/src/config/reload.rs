//! What a running server takes over when its app and its settings are read again.
//!
//! Owns: when they are, what needs a restart, which settings a connection keeps that it began with. Must not know: who
//! reads them.

use std::path::PathBuf;

use super::Config;

/// What is read again, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadOptions {
    /// Whenever a file changes that the app was made of.
    pub watch: bool,
    /// WebSockets of the app that was there before are closed with 1012.
    pub closes_websockets: bool,
    /// The files that the configuration was made of, as they were named.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// The flags whose values are others than `before` and cannot be taken over: it has those of `before` from now on.
    pub fn keep_fixed(&mut self, before: &Config) -> Vec<&'static str> {
        let mut kept = Vec::new();
        fn keep<T: Clone + PartialEq>(
            kept: &mut Vec<&'static str>,
            flag: &'static str,
            new: &mut T,
            old: &T,
        ) {
            if new != old {
                new.clone_from(old);
                kept.push(flag);
            }
        }
        let (limits, old) = (&mut self.limits, &before.limits);
        keep(&mut kept, "workers", &mut self.workers, &before.workers);
        keep(&mut kept, "io", &mut self.io, &before.io);
        keep(&mut kept, "ring-entries", &mut limits.ring_entries, &old.ring_entries);
        keep(&mut kept, "recv-buffers", &mut limits.recv_buffer_bytes, &old.recv_buffer_bytes);
        keep(&mut kept, "connections-max", &mut limits.connections_max, &old.connections_max);
        keep(&mut kept, "stack-max", &mut limits.stack_bytes_max, &old.stack_bytes_max);
        keep(&mut kept, "mailbox-max", &mut limits.mailbox_bytes_max, &old.mailbox_bytes_max);
        keep(&mut kept, "subscriptions-max", &mut limits.subscriptions_max, &old.subscriptions_max);
        keep(&mut kept, "topics-max", &mut limits.topics_max, &old.topics_max);
        keep(&mut kept, "dev", &mut self.dev, &before.dev);
        keep(&mut kept, "watch", &mut self.reload.watch, &before.reload.watch);
        keep(&mut kept, "log", &mut self.log, &before.log);
        keep(&mut kept, "quiet", &mut self.quiet, &before.quiet);
        keep(&mut kept, "admin", &mut self.admin, &before.admin);
        keep(&mut kept, "access-log", &mut self.access_log, &before.access_log);
        keep(&mut kept, "access-log-buffer", &mut limits.access_log_bytes_max, &old.access_log_bytes_max);
        keep(&mut kept, "user", &mut self.account, &before.account);
        keep(&mut kept, "acme", &mut self.acme, &before.acme);
        keep(&mut kept, "tls-self-signed", &mut self.self_signed, &before.self_signed);
        kept
    }

    /// Whether pages that show the app come anew by themselves.
    pub fn has_live_pages(&self) -> bool {
        self.dev && self.reload.watch
    }

    /// Whether a client is served in another way than by `before`, if the app is the same.
    pub fn serves_otherwise(&self, before: &Config) -> bool {
        let alike = Config {
            app: before.app.clone(),
            sources: before.sources.clone(),
            args: before.args.clone(),
            file: before.file.clone(),
            env: before.env.clone(),
            listen: before.listen.clone(),
            listens_by_default: before.listens_by_default,
            reload: before.reload.clone(),
            ..self.clone()
        };
        alike != *before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Limits, Listen, Scheme};
    use std::net::SocketAddr;

    fn config() -> Config {
        Config {
            app: "a.js".into(),
            sources: Default::default(),
            args: Vec::new(),
            file: None,
            env: Vec::new(),
            listen: vec![Listen::new(Scheme::Auto, SocketAddr::from(([127, 0, 0, 1], 1)))],
            files: Default::default(),
            cgi: Default::default(),
            trusted_proxies: Default::default(),
            forwarded_fields: Default::default(),
            answers: Default::default(),
            tls: Vec::new(),
            self_signed: None,
            acme: None,
            workers: 1,
            io: crate::config::IoChoice::Auto,
            http2: true,
            dev: false,
            quiet: false,
            log: crate::config::LogFormat::Text,
            heap_from_cgroup: false,
            crons: Vec::new(),
            permissions: Default::default(),
            site: None,
            proxies: Vec::new(),
            access_log: None,
            admin: None,
            reload: Default::default(),
            listens_by_default: false,
            account: None,
            limits: Limits::default(),
        }
    }

    #[test]
    fn what_needs_a_restart_is_named_and_stays_as_it_was() {
        let before = config();
        let mut new = Config { workers: 3, dev: true, http2: false, ..config() };
        new.limits.topics_max = 5;
        new.limits.body_bytes_max = 5;
        assert_eq!(new.keep_fixed(&before), ["workers", "topics-max", "dev"]);
        assert_eq!((new.workers, new.dev, new.limits.topics_max), (1, false, before.limits.topics_max));
        assert_eq!((new.http2, new.limits.body_bytes_max), (false, 5), "what can be taken over is");
        assert!(new.keep_fixed(&before).is_empty());
    }

    #[test]
    fn another_app_is_no_reason_for_connections_to_end_but_another_limit_is() {
        let before = config();
        let env = vec![("A".to_owned(), "1".to_owned())];
        assert!(!Config { app: "b.js".into(), env, ..config() }.serves_otherwise(&before));
        let mut new = config();
        new.limits.body_bytes_max = 5;
        assert!(new.serves_otherwise(&before));
    }
}
