//! The nginx configuration in docker-compose.yml.

use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml");

/// Returns the nginx.conf that Compose writes into the container.
pub fn nginx_conf() -> String {
    let file = fs::read_to_string(FILE).expect("docker-compose.yml");
    let (_, rest) = file.split_once("\nconfigs:\n").expect("configs");
    let (_, rest) = rest.split_once("\n  nginx:\n    content: |\n").expect("nginx's content");
    // The block ends with the first line that is indented less.
    let lines = rest.lines().map_while(|line| match line.strip_prefix("      ") {
        Some(line) => Some(line),
        None => line.is_empty().then_some(""),
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.replace("$$", "$")
}
