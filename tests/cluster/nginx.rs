//! nginx with the configuration of docker-compose.yml.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
};

use crate::{
    cluster::compose::nginx_conf,
    support::{folder::Folder, secure_profile::free_address, service::Program},
};

pub struct Nginx {
    pub address: SocketAddr,
    program: Program,
    _folder: Folder,
}

impl Nginx {
    /// Starts nginx in front of replicas on `port`. The name server at `names` returns their addresses.
    pub fn start(names: SocketAddr, port: u16) -> Result<Self, String> {
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
            let version = Command::new(program).arg("-v").stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        });
        let program = program.ok_or("nginx is not installed")?;
        let (folder, address) = (Folder::create(), free_address());
        let conf = adapted_conf(&[
            ("resolver 127.0.0.11 ", &format!("resolver {names} ")),
            ("set $replicas gatepass:8000;", &format!("set $replicas gatepass:{port};")),
            ("listen 8080;", &format!("listen {address};")),
            (" /tmp/", &format!(" {}/", folder.path().display())),
        ]);
        let conf = folder.write("nginx.conf", conf);
        let mut program = Program::run(Command::new(program).args(["-e", "stderr", "-c", &conf]));
        program.wait_until_listening(address);
        Ok(Self { address, program, _folder: folder })
    }
}

/// Returns the configuration of docker-compose.yml with these strings replaced.
fn adapted_conf(replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(nginx_conf(), |conf, (old, new)| {
        assert!(conf.contains(old), "no {old:?} in {conf}");
        conf.replace(old, new)
    })
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGKILL would leave nginx's workers running.
        self.program.signal("TERM");
        let _ = self.program.child.wait();
    }
}
