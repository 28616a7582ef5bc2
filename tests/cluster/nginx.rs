//! nginx with the configuration from docker-compose.yml.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
};

use crate::support::{folder::Folder, secure_profile::free_address, service::Program};

const COMPOSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml");

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

/// Returns the nginx.conf that Compose writes into the container.
fn nginx_conf() -> String {
    let file = fs::read_to_string(COMPOSE).expect("docker-compose.yml");
    let (_, rest) = file.split_once("\nconfigs:\n").expect("configs");
    let (_, rest) = rest.split_once("\n  nginx:\n    content: |\n").expect("nginx's content");
    // The block ends before the first line with less indentation.
    let lines = rest.lines().map_while(|line| match line.strip_prefix("      ") {
        Some(line) => Some(line),
        None => line.is_empty().then_some(""),
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.replace("$$", "$")
}

/// Returns the configuration from docker-compose.yml with these strings replaced.
fn adapted_conf(replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(nginx_conf(), |conf, (old, new)| {
        assert!(conf.contains(old), "expected {old:?} in {conf}");
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
