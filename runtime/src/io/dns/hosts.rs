//! The hosts file (hosts(5)).
//!
//! Owns: its parse, and the copy kept until the file changes. Must not know: servers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::Config;

/// Bytes of a hosts file; of a larger one nothing is read.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Names, in lower case, to addresses in the file's order.
#[derive(Default)]
pub(super) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    fn parse(text: &str) -> Hosts {
        let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                let known = names.entry(name.to_ascii_lowercase()).or_default();
                if !known.contains(&ip) {
                    known.push(ip);
                }
            }
        }
        Hosts(names)
    }

    /// The addresses of `name`, which is in lower case.
    pub(super) fn get(&self, name: &str) -> &[IpAddr] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The file as it was last read, and its time and length then.
#[derive(Default)]
pub(super) struct Cache {
    hosts: Arc<Hosts>,
    read: Option<(SystemTime, u64)>,
}

impl Cache {
    /// The file's names now. One that cannot be read has none.
    pub(super) fn get(&mut self, config: &Config) -> Arc<Hosts> {
        let known = std::fs::metadata(&config.hosts).ok();
        let stamp = known.and_then(|known| Some((known.modified().ok()?, known.len())));
        if stamp != self.read || stamp.is_none() {
            let small = stamp.is_some_and(|(_, length)| length <= FILE_BYTES_MAX);
            let bytes = small.then(|| std::fs::read(&config.hosts).ok()).flatten().unwrap_or_default();
            self.hosts = Arc::new(Hosts::parse(&String::from_utf8_lossy(&bytes)));
            self.read = stamp;
        }
        self.hosts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_aliases_and_case() {
        let hosts = Hosts::parse("# 9.9.9.9 no\n127.0.0.1\tA b # c\nbad d\n::1 a a\n\n1.2.3.4\n");
        let ips = |name| hosts.get(name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ips("a"), ["127.0.0.1", "::1"]);
        assert_eq!(ips("b"), ["127.0.0.1"]);
        assert!(["c", "d", "no"].iter().all(|name| hosts.get(name).is_empty()));
    }
}
