//! Which core the servers run on and which the load, where `taskset` can part them.

use std::{fs, process::Command};

/// A core for the server under load and another for the client; none where they cannot be parted.
pub struct Cores {
    pub server: Option<usize>,
    client: Option<usize>,
}

/// Pins this thread, which is the client, to its core.
pub fn assign() -> Cores {
    let allowed = allowed();
    if let (Some(&server), Some(&client)) = (allowed.first(), allowed.last())
        && server != client
        && pin(client)
    {
        return Cores { server: Some(server), client: Some(client) };
    }
    Cores { server: None, client: None }
}

impl Cores {
    pub fn sentence(&self) -> String {
        match (self.server, self.client) {
            (Some(server), Some(client)) => {
                format!("The server under load ran on core {server}, the client on core {client}.")
            }
            _ => "Servers and client ran on whichever cores the system gave them.".to_owned(),
        }
    }
}

fn pin(core: usize) -> bool {
    let this = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["--cpu-list", "--pid", &core.to_string(), &this]).output();
    pinned.is_ok_and(|output| output.status.success())
}

/// The cores that this process may use, such as `0-3,8`.
fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}
