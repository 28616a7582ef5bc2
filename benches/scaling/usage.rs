//! The work of PostgreSQL: statements (from pg_stat_statements), transactions that wrote (from transaction IDs), bytes
//! of the write-ahead log, and CPU time (from /proc).

use std::{fs, path::Path};

use crate::{
    postgres::Server,
    support::{Result, thread_cpu_time},
};

/// A pattern for the query that polls the change feed. Idle replicas send this query too.
const POLL: &str = "SELECT number, kind, name FROM changes WHERE%";
/// The statements of the replicas, excluding those of the benchmark.
const REPLICAS: &str = "FROM pg_stat_statements WHERE userid = 'gatepass'::regrole";

/// Totals so far, or the differences between two points in time. The constants below are the indexes.
pub type Usage = [f64; 6];

/// The number of statements, excluding the polls.
pub const STATEMENTS: usize = 0;
pub const POLLS: usize = 1;
/// The time for planning and execution in microseconds, excluding the polls.
pub const EXECUTION: usize = 2;
/// The number of transactions that wrote data. Their commits wait for the disk.
pub const WRITES: usize = 3;
pub const LOG_BYTES: usize = 4;
/// The CPU time in microseconds.
pub const CPU: usize = 5;

pub fn read(server: &Server) -> Result<Usage> {
    let row = server.execute(&format!(
        "SELECT (SELECT coalesce(sum(calls), 0) {REPLICAS} AND query NOT LIKE '{POLL}'), \
         (SELECT coalesce(sum(calls), 0) {REPLICAS} AND query LIKE '{POLL}'), \
         (SELECT coalesce(sum(total_plan_time + total_exec_time), 0) * 1000 {REPLICAS} AND query NOT LIKE '{POLL}'), \
         pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn() - '0/0'"
    ));
    let values = row.split('|').map(str::parse).chain([Ok(cpu_time(&server.process()))]);
    let values: Vec<f64> = values.collect::<std::result::Result<_, _>>()?;
    values.try_into().map_err(|_| format!("cannot read the statistics of PostgreSQL: {row}").into())
}

/// Returns the usage since `before`.
pub fn since(before: &Usage, server: &Server) -> Result<Usage> {
    let now = read(server)?;
    // The CPU time decreases if the process of a connection has ended.
    Ok(std::array::from_fn(|index| (now[index] - before[index]).max(0.0)))
}

/// Returns the CPU time in microseconds of a process and its running children, each of which has one thread.
fn cpu_time(parent: &str) -> f64 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let processes = children.split_ascii_whitespace().chain([parent]);
    let times = processes.map(|process| thread_cpu_time(&Path::new("/proc").join(process)));
    times.sum::<f64>() * 1e6
}
