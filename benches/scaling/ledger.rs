//! What PostgreSQL has done: statements, by pg_stat_statements; transactions that wrote, by their numbers; its log in
//! bytes; and time on a core, by /proc.

use std::{fs, ops::Sub, time::Duration};

use crate::{
    postgres::Server,
    support::{Failure, cpu_time},
};

/// The poll of the table of changes, which goes on whatever else is asked.
const POLL: &str = "SELECT number, kind, name FROM changes WHERE%";
/// That of the replicas, not our own.
const STATEMENTS: &str = "FROM pg_stat_statements WHERE userid = 'gatepass'::regrole";

/// So far, or between two moments.
#[derive(Clone, Copy)]
pub struct Ledger {
    /// Without the polls.
    pub statements: f64,
    pub polls: f64,
    /// Planning and execution in ms, without the polls.
    pub execution: f64,
    /// Those that wrote, whose commit waits for the disk.
    pub writes: f64,
    pub log_bytes: f64,
    pub cpu: Duration,
}

impl Ledger {
    pub fn read(server: &Server) -> Result<Self, Failure> {
        let row = server.execute(&format!(
            "SELECT (SELECT coalesce(sum(calls), 0) {STATEMENTS} AND query NOT LIKE '{POLL}'), \
             (SELECT coalesce(sum(calls), 0) {STATEMENTS} AND query LIKE '{POLL}'), \
             (SELECT coalesce(sum(total_plan_time + total_exec_time), 0) {STATEMENTS} AND query NOT LIKE '{POLL}'), \
             pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn() - '0/0'"
        ));
        let figures: Option<Vec<f64>> = row.split('|').map(|figure| figure.parse().ok()).collect();
        let Some([statements, polls, execution, writes, log_bytes]) = figures.as_deref() else {
            return Err(format!("PostgreSQL's figures cannot be read: {row}"));
        };
        Ok(Self {
            statements: *statements,
            polls: *polls,
            execution: *execution,
            writes: *writes,
            log_bytes: *log_bytes,
            cpu: cpu_time_of_all(&server.process()),
        })
    }
}

impl Sub for Ledger {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            statements: self.statements - before.statements,
            polls: self.polls - before.polls,
            execution: self.execution - before.execution,
            writes: self.writes - before.writes,
            log_bytes: self.log_bytes - before.log_bytes,
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

/// The time on a core of a process and of its children that live: not of those that we ourselves asked.
fn cpu_time_of_all(first: &str) -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |process: fs::DirEntry| -> Option<Duration> {
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        let (id, rest) = stat.split_once(' ')?;
        // The name, in parentheses, may hold anything.
        let parent = rest.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
        let is_ours = id == first || parent == first;
        is_ours.then(|| cpu_time::read(&process.path()))
    };
    processes.filter_map(of).sum()
}
