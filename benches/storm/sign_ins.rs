//! The storm: 64 clients that sign in as fast as they are answered, with right and wrong passwords, from one thread.

use std::{net::SocketAddr, thread, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    sync::watch,
    task::JoinSet,
};

use crate::support::{Failure, requests::sign_in};

pub const CLIENTS: usize = 64;

/// What the service answered, in the time that counts.
#[derive(Clone, Copy, Default)]
pub struct Answers {
    pub right: u32,
    pub wrong: u32,
    /// 503.
    pub busy: u32,
}

impl Answers {
    /// Those for which a password was hashed.
    pub fn hashed(&self) -> u32 {
        self.right + self.wrong
    }
}

/// A storm that goes on until it is told to end.
pub struct Storm {
    phase: watch::Sender<Phase>,
    thread: thread::JoinHandle<Result<Answers, Failure>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not counted yet.
    Rises,
    Counts,
    Over,
}

impl Storm {
    pub fn begin(address: SocketAddr, password: &str) -> Self {
        let (phase, told) = watch::channel(Phase::Rises);
        let requests = [password, "wrong"].map(sign_in);
        let thread = thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let mut clients = JoinSet::new();
                for client in 0..CLIENTS {
                    clients.spawn(go_on(address, requests.clone(), client, told.clone()));
                }
                let mut sum = Answers::default();
                for answers in clients.join_all().await {
                    let Answers { right, wrong, busy } = answers?;
                    (sum.right, sum.wrong, sum.busy) =
                        (sum.right + right, sum.wrong + wrong, sum.busy + busy);
                }
                Ok(sum)
            })
        });
        Self { phase, thread }
    }

    /// From now on answers count.
    pub fn count(&self) {
        self.phase.send_replace(Phase::Counts);
    }

    /// What was answered since then.
    pub fn end(self) -> Result<Answers, Failure> {
        self.phase.send_replace(Phase::Over);
        self.thread.join().map_err(|_| "the storm panicked".to_owned())?
    }
}

/// One client, whose passwords are right and wrong in turn.
async fn go_on(
    address: SocketAddr,
    requests: [String; 2],
    client: usize,
    phase: watch::Receiver<Phase>,
) -> Result<Answers, Failure> {
    let broken = |error: std::io::Error| format!("POST /token: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let (mut answers, mut buffer) = (Answers::default(), [0; 4096]);
    for turn in client.. {
        stream.write_all(requests[turn % 2].as_bytes()).await.map_err(broken)?;
        // The answer is short: it comes in one piece.
        let length = stream.read(&mut buffer).await.map_err(broken)?;
        let phase = *phase.borrow();
        if phase == Phase::Over {
            break;
        }
        let kind = match buffer[..length].get(9..12) {
            Some(b"200") => &mut answers.right,
            Some(b"400") => &mut answers.wrong,
            Some(b"503") => &mut answers.busy,
            _ => return Err(format!("POST /token: {:?}", String::from_utf8_lossy(&buffer[..length]))),
        };
        *kind += u32::from(phase == Phase::Counts);
        if buffer[..length].get(9..12) == Some(b"503") {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(answers)
}
