//! Warnings about files with secrets that every user of the system can read. Signing keys need no warning: the service
//! refuses key files with an insecure mode.

use std::path::Path;

use crate::{
    adapters::sql::Database,
    app::settings::{Profile, Settings},
};

/// Returns a warning for each file of these settings that every user can read.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let key = settings.listen.tls_key().map(Path::to_path_buf);
    let database = match settings.profile.profile {
        Profile::Tutorial => None,
        Profile::Secure => Database::file(settings.secure.database.database_url.expose()),
    };
    let files = key.into_iter().chain(database).chain(settings.password_files.iter().cloned());
    let files = files.filter(|file| is_readable_by_everyone(file));
    let warning = |file: std::path::PathBuf| {
        let file = file.display();
        format!("{file} is readable by every user of this system; run: chmod o= {file}")
    };
    files.map(warning).collect()
}

#[cfg(unix)]
fn is_readable_by_everyone(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_everyone(_: &Path) -> bool {
    false
}
