//! `gatepass check`: checks settings, database and keys.

use actix_web::rt::Runtime;
use clap::Args;
use serde_json::json;

use crate::{
    adapters::{
        jwt::{KeyDirectory, KeyState},
        passwords::Argon2Hasher,
        sql::{Database, Tables},
    },
    app::{
        commands::output::{FAILED, IN_ORDER, Output},
        failure::Failure,
        file_modes,
        settings::{Profile, Settings},
    },
};

/// The arguments of `gatepass check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArguments {
    /// Print each result as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Runs all checks without changing anything. Fails if any of them fails.
pub(crate) fn run(CheckArguments { settings, json }: &CheckArguments) -> Result<(), Failure> {
    let results = [
        ("settings", check_settings(settings)),
        ("database", check_database(settings.secure.database.database_url.expose())),
        ("keys", check_keys(settings)),
        ("files", Ok(check_files(settings))),
    ];
    let mut output = Output::new();
    let mut failed = Vec::new();
    for (check, result) in results {
        let ok = result.is_ok();
        let detail = result.unwrap_or_else(|failure| failure.to_string());
        if *json {
            output.json(&json!({ "check": check, "ok": ok, "detail": detail }))?;
        } else {
            let (style, state) = if ok { (IN_ORDER, "ok") } else { (FAILED, "FAILED") };
            output.line(format!("{check:<10} {style}{state}{style:#}: {detail}"))?;
        }
        if !ok {
            failed.push(check);
        }
    }
    output.finish()?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed(format!("check failed: {}", failed.join(", "))))
    }
}

fn check_settings(settings: &Settings) -> Result<String, Failure> {
    let secure = &settings.secure;
    secure.passwords.policy(&secure.issuer, &Argon2Hasher::with_settings(secure.argon2())?)?;
    settings.audiences()?;
    settings.brand()?;
    if let Some(tls) = settings.listen.tls()? {
        tls.check()?;
    }
    settings.check_address()?;
    match (settings.profile.profile, settings.unreachable_issuer()) {
        (Profile::Tutorial, _) => {
            Ok("profile tutorial, which is insecure and uses neither a database nor keys".to_owned())
        }
        (Profile::Secure, Some(error)) => Err(Failure::failed(error)),
        (Profile::Secure, None) => Ok(format!("profile secure, issuer {}", settings.issuer())),
    }
}

fn check_database(url: &str) -> Result<String, Failure> {
    if let Some(file) = Database::missing_file(url) {
        return Ok(format!("{} does not exist yet; the first start creates it", file.display()));
    }
    match Runtime::new()?.block_on(Database::inspect(url))? {
        Tables::Current => Ok("reachable, tables up to date".to_owned()),
        Tables::Older => {
            Ok("reachable, tables missing or from an older version; the next start updates them".to_owned())
        }
        Tables::Newer => {
            Err(Failure::failed("the tables are from a newer version of Gatepass: update this program"))
        }
    }
}

/// Returns warnings, which do not fail the check.
fn check_files(settings: &Settings) -> String {
    let warnings = file_modes::warnings(settings);
    if warnings.is_empty() {
        "no file with secrets is readable by everyone".to_owned()
    } else {
        warnings.join("; ")
    }
}

fn check_keys(settings: &Settings) -> Result<String, Failure> {
    let directory = &settings.secure.keys.keys_dir;
    if !directory.exists() {
        return Ok(format!("{} does not exist yet; the first start creates it", directory.display()));
    }
    let keys = KeyDirectory::new(directory, &settings.jwt()).list()?;
    Ok(match keys.iter().find(|key| key.state == KeyState::Signing) {
        Some(key) => {
            let (algorithm, number) = (key.algorithm.name(), keys.len());
            format!("{number} in directory {}, signing key {} ({algorithm})", directory.display(), key.kid)
        }
        None => format!("no key in {} yet; the first start creates one", directory.display()),
    })
}
