//! Sockets that the process was started with, by systemd (sd_listen_fds(3)) or by the server whose place it takes.
//!
//! Owns: who they are for, by name or address. Must not know: who accepts from them.

use crate::address::Address;
use crate::config::{Listen, Scheme};
use crate::io::activation::{self, HandedSocket};

/// Names a server that hands its sockets over: LISTEN_PID cannot be known to it. What stands in it are the numbers of two
/// descriptors beside the sockets.
pub const HAND_OVER: &str = "JSSERVE_HANDOVER";

/// Those that nobody serves yet.
#[derive(Default)]
pub struct HandedSockets {
    left: Vec<HandedSocket>,
    /// They are another server's, whose place this one takes; its files of Unix sockets go with them.
    pub is_hand_over: bool,
}

impl HandedSockets {
    /// Those of this process.
    pub fn of_process() -> HandedSockets {
        let variable = |name| std::env::var(name).ok();
        let is_hand_over = variable(HAND_OVER).is_some();
        let pid = variable("LISTEN_PID").and_then(|pid| pid.parse().ok());
        let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or(0);
        if count == 0 || !is_hand_over && pid != Some(std::process::id()) {
            return HandedSockets::default();
        }
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        HandedSockets { left: activation::take(count, &names), is_hand_over }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Their names, for a message.
    pub fn names(&self) -> String {
        let named = |it: &HandedSocket| match &*it.name {
            "" => format!("{} ({})", it.number, it.address),
            name => format!("{name} ({})", it.address),
        };
        self.left.iter().map(named).collect::<Vec<_>>().join(", ")
    }

    /// Whether another server, whose place this one takes, has handed one over by that name.
    pub fn is_handed_over(&self, name: &str) -> bool {
        self.is_hand_over && self.left.iter().any(|it| it.name == name)
    }

    /// Those for `wanted`, taken out, by their addresses.
    pub fn take(&mut self, wanted: &Listen) -> Vec<Vec<HandedSocket>> {
        let kind = |it: &&HandedSocket| it.is_stream == (wanted.scheme != Scheme::Udp);
        let fits: Box<dyn Fn(&HandedSocket) -> bool> = match &wanted.handed {
            Some(name) => Box::new(move |it| it.name == *name || it.number.to_string() == *name),
            None => {
                let exact = |it: &HandedSocket| same(&it.address, &wanted.address);
                // A port that the server before had from the kernel.
                let (host, any) = match wanted.address.ip() {
                    Some(addr) if addr.port() == 0 && self.is_hand_over => (Some(addr.ip()), true),
                    _ => (None, false),
                };
                let found =
                    self.left.iter().filter(kind).find(|it| any && it.address.ip().map(|at| at.ip()) == host);
                let found = found.map(|it| it.address.clone());
                Box::new(move |it| exact(it) || found.as_ref().is_some_and(|found| same(&it.address, found)))
            }
        };
        let (taken, left) = std::mem::take(&mut self.left).into_iter().partition(|it| kind(&it) && fits(it));
        self.left = left;
        by_address(taken)
    }

    /// What all of them are for, where nothing was asked for.
    pub fn listens(&self) -> Vec<Listen> {
        let mut all: Vec<Listen> = Vec::new();
        for it in &self.left {
            let scheme = if it.is_stream { Scheme::Auto } else { Scheme::Udp };
            let listen = Listen::new(scheme, it.address.clone());
            if !all.contains(&listen) {
                all.push(listen);
            }
        }
        all
    }
}

fn same(one: &Address, other: &Address) -> bool {
    match (one.ip(), other.ip()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.to_string() == other.to_string(),
        _ => false,
    }
}

fn by_address(sockets: Vec<HandedSocket>) -> Vec<Vec<HandedSocket>> {
    let mut groups: Vec<Vec<HandedSocket>> = Vec::new();
    for socket in sockets {
        match groups.iter_mut().find(|group| same(&group[0].address, &socket.address)) {
            Some(group) => group.push(socket),
            None => groups.push(vec![socket]),
        }
    }
    groups
}
