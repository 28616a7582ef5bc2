//! Load generation with wrk: keep-alive connections, each with one request in flight.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::NamedTempFile;

use super::Result;

pub const CONNECTIONS: usize = 32;
/// The allowed difference from the expected length, in bytes: the request IDs in responses get longer over time.
const LENGTH_TOLERANCE: f64 = 8.0;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/support/load.lua");

/// The requests that wrk sends, in turn.
pub struct Load {
    requests: NamedTempFile,
    /// The expected average length of the responses. If it is set, all responses must also be successful; otherwise,
    /// wrk counts their statuses.
    length: Option<usize>,
}

pub struct Outcome {
    pub responses: f64,
    pub seconds: f64,
    /// The median latency in milliseconds.
    pub p50: f64,
    /// The 99th percentile of the latency in milliseconds.
    pub p99: f64,
    /// The CPU time of wrk in seconds.
    pub cpu: f64,
    /// The numbers of responses with 200, 400 and 503, if wrk counted them.
    pub statuses: [f64; 3],
}

/// Fails if wrk is not installed.
pub fn check_wrk() -> Result<()> {
    let version = Command::new("wrk").arg("--version").output();
    version.map_err(|error| {
        format!("cannot start wrk: {error}; install it, for example with `apt-get install wrk`")
    })?;
    Ok(())
}

impl Load {
    pub fn new<R: AsRef<str>>(requests: impl IntoIterator<Item = R>, length: Option<usize>) -> Result<Self> {
        let mut file = NamedTempFile::new()?;
        for request in requests {
            write!(file, "{}\0", request.as_ref())?;
        }
        Ok(Self { requests: file, length })
    }

    /// Runs wrk for `seconds` and returns its results.
    pub fn run(&self, address: SocketAddr, connections: usize, seconds: u64) -> Result<Outcome> {
        self.finish(self.start(address, connections, seconds)?)
    }

    pub fn start(&self, address: SocketAddr, connections: usize, seconds: u64) -> Result<Child> {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", "60s", "--script", SCRIPT]);
        command.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
        command.args([&format!("http://{address}/"), "--"]).arg(self.requests.path());
        command.args(self.length.is_none().then_some("count"));
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
    }

    /// Waits until wrk exits.
    pub fn finish(&self, wrk: Child) -> Result<Outcome> {
        let output = wrk.wait_with_output()?;
        let output = String::from_utf8_lossy(&output.stdout);
        let result = output.lines().find_map(|line| line.strip_prefix("result ")).unwrap_or_default();
        let values: Vec<f64> = result.split(' ').filter_map(|value| value.parse().ok()).collect();
        let [responses, micros, bytes, failed, unsuccessful, p50, p99, cpu, ok, bad, busy] = values[..]
        else {
            return Err(format!("wrk failed: {output}").into());
        };
        let length = self.length.map_or(0.0, |length| length as f64);
        let is_wrong = self.length.is_some()
            && (unsuccessful > 0.0 || (bytes / responses - length).abs() > LENGTH_TOLERANCE);
        if failed > 0.0 || is_wrong {
            return Err(
                format!("requests failed, or the average length is not {length} bytes: {output}").into()
            );
        }
        let (seconds, cpu) = (micros / 1e6, cpu / 1e6);
        Ok(Outcome { responses, seconds, p50: p50 / 1e3, p99: p99 / 1e3, cpu, statuses: [ok, bad, busy] })
    }
}

impl Outcome {
    /// Returns the number of responses per second.
    pub fn rate(&self) -> f64 {
        self.responses / self.seconds
    }
}
