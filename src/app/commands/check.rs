//! `gatepass check`: checks settings, database and keys.

use actix_web::rt::Runtime;
use clap::Args;
use serde::Serialize;

use crate::{
    adapters::{
        jwt::{KeyDirectory, KeyState},
        passwords::Argon2Hasher,
        sql::{Database, Tables},
    },
    app::{
        commands::output::Output,
        failure::Failure,
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
    settings: Settings,
}

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

/// Checks each part and changes nothing. Fails if one part is wrong.
pub(crate) fn run(CheckArguments { settings, json }: &CheckArguments) -> Result<(), Failure> {
    let results = [
        ("settings", check_settings(settings)),
        ("database", check_database(settings.secure.database.database_url.expose())),
        ("keys", check_keys(settings)),
    ];
    let mut output = Output::new();
    let mut first_wrong = None;
    for (what, result) in results {
        let ok = result.is_ok();
        let detail = result.unwrap_or_else(|failure| failure.to_string());
        if *json {
            output.json(&Finding { what, ok, detail })?;
        } else {
            output.line(format!("{what:<10} {}: {detail}", if ok { "ok" } else { "WRONG" }))?;
        }
        first_wrong = first_wrong.or_else(|| (!ok).then_some(what));
    }
    output.finish()?;
    first_wrong.map_or(Ok(()), |what| Err(Failure::failed(format!("the check of the {what} failed"))))
}

fn check_settings(settings: &Settings) -> Result<String, Failure> {
    Argon2Hasher::with_settings(settings.secure.argon2())?;
    if let Some(tls) = settings.listen.tls()? {
        tls.check()?;
    }
    let issuer = settings.issuer();
    match settings.profile.profile {
        Profile::Tutorial => {
            Ok("profile tutorial, which is insecure and uses no database and no keys".to_owned())
        }
        Profile::Secure if settings.issuer_is_unreachable() => {
            Err(Failure::failed(settings.unreachable_issuer()))
        }
        Profile::Secure => Ok(format!("profile secure, issuer {issuer}")),
    }
}

fn check_database(url: &str) -> Result<String, Failure> {
    if let Some(file) = Database::missing_file(url) {
        return Ok(format!("{} does not exist yet; the first start creates it", file.display()));
    }
    match Runtime::new()?.block_on(Database::inspect(url))? {
        Tables::Current => Ok("reachable, tables up to date".to_owned()),
        Tables::Older => {
            Ok("reachable, tables missing or of an older version; the next start updates them".to_owned())
        }
        Tables::Newer => {
            Err(Failure::failed("the tables are of a newer version of Gatepass: update this program"))
        }
    }
}

fn check_keys(settings: &Settings) -> Result<String, Failure> {
    let directory = &settings.secure.keys.keys_dir;
    if !directory.exists() {
        return Ok(format!("{} does not exist yet; the first start creates it", directory.display()));
    }
    let keys = KeyDirectory::new(directory, &settings.jwt()).list()?;
    Ok(match keys.iter().find(|key| key.state == KeyState::Signing) {
        Some(key) => format!("{} in {}, {} signs", keys.len(), directory.display(), key.kid),
        None => format!("none in {} yet; the first start creates one", directory.display()),
    })
}
