//! nginx with the configuration of docker-compose.yml.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::compose::nginx_conf,
    support::{
        folder::Folder,
        secure_profile::free_address,
        service::{Program, TIMEOUT},
    },
};

pub struct Nginx {
    pub address: SocketAddr,
    program: Program,
    _folder: Folder,
}

impl Nginx {
    /// In front of the replicas at this port, whose addresses are at this name server; or why there is none.
    pub fn start(names: SocketAddr, port: u16) -> Result<Self, String> {
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
            let version = Command::new(program).arg("-v").stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        });
        let program = program.ok_or("there is no nginx")?;
        let (folder, address) = (Folder::create(), free_address());
        let conf = adapted(&[
            ("resolver 127.0.0.11 ", &format!("resolver {names} ")),
            ("set $replicas gatepass:8000;", &format!("set $replicas gatepass:{port};")),
            ("listen 8080;", &format!("listen {address};")),
            (" /tmp/", &format!(" {}/", folder.path().display())),
        ]);
        let conf = folder.write("nginx.conf", conf);
        let program = Program::run(Command::new(program).args(["-e", "stderr", "-c", &conf]));
        let nginx = Self { address, program, _folder: folder };
        let end = Instant::now() + TIMEOUT;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "nginx does not listen: {}", nginx.program.log());
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(nginx)
    }
}

/// docker-compose.yml's, with what is another one here. Each of it must be there.
fn adapted(replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(nginx_conf(), |conf, (theirs, ours)| {
        assert!(conf.contains(theirs), "no {theirs:?} in {conf}");
        conf.replace(theirs, ours)
    })
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        self.program.signal("TERM");
        let _ = self.program.child.wait();
    }
}
