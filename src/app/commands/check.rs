//! `gatepass check`: whether settings, database and keys are in order.

use actix_web::rt::Runtime;
use serde::Serialize;

use crate::{
    adapters::{
        argon2::Argon2Hasher,
        jwt::{KeyDirectory, KeyState},
        sql::{Database, Tables},
    },
    app::{
        commands::output::Output,
        failure::Failure,
        settings::{Profile, SecureSettings, Settings},
    },
    http::clock,
};

/// What was looked at, and what was found.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

impl Finding {
    fn new(what: &'static str, found: Result<String, Failure>) -> Self {
        match found {
            Ok(detail) => Self { what, ok: true, detail },
            Err(failure) => Self { what, ok: false, detail: failure.to_string() },
        }
    }
}

/// Looks at each in turn and changes nothing. Fails where one is not in order.
pub(crate) fn run(json: bool, settings: &Settings) -> Result<(), Failure> {
    let secure = &settings.secure;
    let findings = [
        Finding::new("settings", look_at_settings(settings)),
        Finding::new("database", look_at_database(secure)),
        Finding::new("keys", look_at_keys(settings)),
    ];
    let mut output = Output::new();
    for finding in &findings {
        if json {
            output.json(finding)?;
        } else {
            let state = if finding.ok { "in order" } else { "NOT IN ORDER" };
            output.line(format!("{:<10} {state}: {}", finding.what, finding.detail))?;
        }
    }
    output.finish()?;
    match findings.iter().find(|finding| !finding.ok) {
        Some(finding) => Err(Failure::failed(format!("the {} must be put in order", finding.what))),
        None => Ok(()),
    }
}

fn look_at_settings(settings: &Settings) -> Result<String, Failure> {
    let secure = &settings.secure;
    Argon2Hasher::new(secure.argon2())?;
    if let Some(tls) = settings.edge.tls()? {
        tls.check()?;
    }
    let profile = match settings.profile {
        Profile::Tutorial => "the profile is tutorial, which is insecure and reads neither database nor keys",
        Profile::Secure => "the profile is secure",
    };
    let issuer = settings.issuer();
    if settings.profile == Profile::Secure && settings.issuer_is_unusable() {
        return Err(Failure::failed(format!("tokens would say {issuer} as their issuer: say --issuer")));
    }
    Ok(format!("{profile}; tokens say {issuer} as their issuer"))
}

fn look_at_database(secure: &SecureSettings) -> Result<String, Failure> {
    if let Some(file) = Database::missing_file(secure.database_url.expose()) {
        return Ok(format!("{} is not there yet and is made when it is needed", file.display()));
    }
    Runtime::new()?.block_on(async {
        match Database::inspect(secure.database_url.expose()).await? {
            Tables::Current => Ok("it answers, and its tables are up to date".to_owned()),
            Tables::Older => {
                let detail = "it answers; its tables are of an older version, or not there yet, and are brought up \
                              to date at the next start";
                Ok(detail.to_owned())
            }
            Tables::Newer => Err(Failure::failed("its tables are of a newer version of Gatepass")),
        }
    })
}

fn look_at_keys(settings: &Settings) -> Result<String, Failure> {
    let folder = &settings.secure.keys_dir;
    if !folder.exists() {
        return Ok(format!(
            "the folder {} is not there yet and is made at the first start",
            folder.display()
        ));
    }
    let keys = KeyDirectory::new(&settings.jwt()).list(clock::now())?;
    Ok(match keys.iter().find(|key| key.state == KeyState::Signing) {
        Some(key) => format!("{} in {}, {} signs", keys.len(), folder.display(), key.kid),
        None => format!("none in {} yet, one is made at the first start", folder.display()),
    })
}
