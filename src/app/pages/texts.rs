//! The languages of the pages. All texts are in `static/texts/`, with one file for each language.

use std::{cmp::Reverse, collections::HashMap};

use actix_web::{
    HttpRequest,
    http::header::{AcceptLanguage, Header as _, Preference, Quality},
};
use serde::Deserialize;

use crate::domain::{ports::WeakPassword, time::Timestamp};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the language tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("../../../static/texts/en.toml"),
            Self::German => include_str!("../../../static/texts/de.toml"),
        }
    }

    /// Returns the language that the browser prefers, or English if none of the accepted languages is supported.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let mut accepted = AcceptLanguage::parse(request).map(|header| header.0).unwrap_or_default();
        accepted.retain(|item| item.quality > Quality::ZERO);
        accepted.sort_by_key(|item| Reverse(item.quality));
        let known = accepted.iter().find_map(|item| match &item.item {
            Preference::Any => Some(Self::English),
            Preference::Specific(tag) => Self::ALL
                .into_iter()
                .find(|language| tag.primary_language().eq_ignore_ascii_case(language.tag())),
        });
        known.unwrap_or(Self::English)
    }
}

/// The texts of all languages.
#[derive(Debug)]
pub(crate) struct Languages([Texts; 2]);

impl Languages {
    /// Reads the embedded files.
    pub(crate) fn read() -> Result<Self, toml::de::Error> {
        let [english, german] = Language::ALL.map(|language| parse(language.file()));
        Ok(Self([english?, german?]))
    }

    pub(crate) fn get(&self, language: Language) -> &Texts {
        let [english, german] = &self.0;
        match language {
            Language::English => english,
            Language::German => german,
        }
    }
}

/// Parses a file. Deserializing from a table instead of TOML text makes the program smaller: the code for each section
/// is generated once per map type, and a table has one map type instead of three.
fn parse(file: &str) -> Result<Texts, toml::de::Error> {
    file.parse::<toml::Table>()?.try_into()
}

/// Defines the sections of the texts. Missing and unknown keys are errors.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $(pub(crate) $key: $type,)+
        }
    )+};
}

// The keys of `notices` are values of the query parameter `done`. The keys of `kinds` are names of `EventKind`.
sections! {
    /// The texts of the pages in one language.
    Texts {
        common: Common, sign_in: SignIn, errors: Errors, account: Account, sessions: Sessions,
        password: PasswordTexts, events: Events, not_found: Message, forbidden: Message, unavailable: Title, time: TimeFormat,
    }
    Common { help: String, error: String, cancel: String, offline: String, sign_out: String, account: String }
    SignIn {
        title: String, username: String, password: String, show_password: String, caps_lock: String, submit: String,
        pending: String, notices: HashMap<String, String>,
    }
    Errors {
        username_missing: String, password_missing: String, credentials: String, disabled: String, no_scope: String,
        sign_in_off: String, too_many: String, retry_second: String, head_too_large: String, retry_seconds: String,
        retry_minutes: String, retry_now: String, origin: String, form: String, busy: String, internal: String,
        current_missing: String, new_missing: String, current_wrong: String, too_short: String, too_long: String,
        too_easy: String, uses_context: String, breached: String, unchanged: String,
    }
    Account {
        title: String, profile: String, username: String, full_name: String, email: String, permissions: String,
        notices: HashMap<String, String>,
    }
    Sessions {
        title: String, current: String, device: String, user_agent: String, unknown_device: String, unknown_address: String,
        last_used: String, signed_in: String, end: String, end_named: String, end_all: String, end_title: String,
        end_text: String, end_current_text: String, end_all_title: String, end_all_text: String, pages: String,
        page: String, previous: String, next: String,
    }
    PasswordTexts {
        title: String, current: String, new: String, show: String, rules: String, rule_length: String,
        rule_common: String, rule_context: String, rule_breached: String, rule_unchanged: String, length: String,
        consequence: String, submit: String, pending: String,
    }
    Events { title: String, empty: String, times: String, kinds: HashMap<String, String> }
    Message { title: String, text: String }
    Title { title: String }
    TimeFormat { format: String, months: [String; 12] }
}

/// Replaces `{name}` in a text.
fn fill(text: &str, name: &str, value: impl ToString) -> String {
    text.replace(&format!("{{{name}}}"), &value.to_string())
}

impl Errors {
    /// Returns a sentence with the time until the next allowed attempt.
    pub(crate) fn retry(&self, seconds: &u64) -> String {
        match *seconds {
            1 => self.retry_second.clone(),
            120.. => fill(&self.retry_minutes, "minutes", seconds.div_ceil(60)),
            _ => fill(&self.retry_seconds, "seconds", seconds),
        }
    }

    /// Returns the text that explains why a new password was refused.
    pub(crate) fn weak(&self, reason: WeakPassword) -> String {
        match reason {
            WeakPassword::TooShort { minimum } => fill(&self.too_short, "minimum", minimum),
            WeakPassword::TooLong => self.too_long.clone(),
            WeakPassword::TooEasy => self.too_easy.clone(),
            WeakPassword::UsesContext => self.uses_context.clone(),
            WeakPassword::Breached => self.breached.clone(),
            WeakPassword::Unchanged => self.unchanged.clone(),
        }
    }
}

impl Sessions {
    pub(crate) fn end_named(&self, device: &str) -> String {
        fill(&self.end_named, "device", device)
    }

    pub(crate) fn page_of(&self, number: usize, count: usize) -> String {
        fill(&fill(&self.page, "page", number), "pages", count)
    }

    /// Returns a name for a device, such as "Firefox on Linux", or the name and version of a program that is not a
    /// browser. Other text in a user agent is not shown: anyone can send it with a failed sign-in.
    pub(crate) fn device(&self, user_agent: Option<&str>) -> String {
        // The user agents of Edge and Opera also contain "Chrome/", and that of Chrome contains "Safari/".
        const BROWSERS: [(&str, &str); 8] = [
            ("Edg/", "Edge"),
            ("EdgA/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("FxiOS/", "Firefox"),
            ("CriOS/", "Chrome"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ];
        const SYSTEMS: [(&str, &str); 7] = [
            ("Android", "Android"),
            ("iPhone", "iOS"),
            ("iPad", "iPadOS"),
            ("Windows", "Windows"),
            ("Mac OS", "macOS"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ];
        let Some(agent) = user_agent.map(str::trim).filter(|agent| !agent.is_empty()) else {
            return self.unknown_device.clone();
        };
        let found = |names: &[(&str, &'static str)]| {
            names.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
        };
        match (found(&BROWSERS), found(&SYSTEMS)) {
            (Some(browser), Some(system)) => fill(&fill(&self.device, "browser", browser), "system", system),
            (Some(browser), None) => browser.to_owned(),
            (None, _) => {
                let product = agent.split_whitespace().next().filter(|word| is_product(word));
                product.unwrap_or(&self.unknown_device).to_owned()
            }
        }
    }
}

/// Returns whether a word is a product name with a version, such as `curl/8.14.1`.
fn is_product(word: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let is_version = |version: &str| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    word.len() <= 40
        && word.split_once('/').is_some_and(|(name, version)| is_name(name) && is_version(version))
}

impl PasswordTexts {
    pub(crate) fn rule_length(&self, minimum: &usize) -> String {
        fill(&self.rule_length, "minimum", minimum)
    }
}

impl Events {
    pub(crate) fn times(&self, count: u64) -> String {
        fill(&self.times, "count", count)
    }
}

/// A time, as text for people and in a format for scripts.
#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) text: String,
    /// The time in the format of RFC 3339.
    pub(crate) machine: String,
}

impl TimeFormat {
    /// Formats a time in UTC, since the server does not know the user's time zone.
    pub(crate) fn of(&self, time: Timestamp) -> Time {
        let machine = time.to_string();
        let seconds = i64::try_from(time.as_unix()).ok();
        let Some(civil) = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) else {
            return Time { text: machine.clone(), machine };
        };
        let civil = civil.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let month = usize::try_from(civil.month()).ok().and_then(|month| self.months.get(month - 1));
        let text = fill(&self.format, "day", civil.day());
        let text = fill(&text, "month", month.map_or("", String::as_str));
        let text = fill(&text, "year", civil.year());
        Time { text: fill(&text, "time", format!("{:02}:{:02}", civil.hour(), civil.minute())), machine }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::test::TestRequest;

    use super::*;

    /// Returns the keys of all texts, and the placeholders in each text.
    fn placeholders(table: &toml::Table, path: &str) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (key, value) in table {
            let path = format!("{path}{key}");
            match value {
                toml::Value::Table(table) => found.extend(placeholders(table, &format!("{path}."))),
                toml::Value::String(text) => {
                    assert!(!text.is_empty() && text.trim() == text, "{path} is empty or not trimmed");
                    found.insert((path.clone(), String::new()));
                    let words = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
                    found.extend(words.map(|(word, _)| (path.clone(), word.to_owned())));
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn all_languages_have_the_same_keys_and_placeholders() {
        Languages::read().expect("the texts should be complete");
        let [english, german] =
            Language::ALL.map(|language| placeholders(&language.file().parse::<toml::Table>().unwrap(), ""));
        assert_eq!(english, german);
        let text = Language::English.file();
        for changed in [text.replace("cancel =", "cancle ="), text.replace("cancel = \"Cancel\"\n", "")] {
            assert!(parse(&changed).is_err());
        }
    }

    #[test]
    fn most_preferred_supported_language_is_chosen() {
        use Language::{English, German};
        for (header, expected) in [
            (None, English),
            (Some(""), English),
            (Some("de"), German),
            (Some("DE-at, en;q=0.9"), German),
            (Some("de;q=0.8, en"), English),
            (Some("fr-CH, fr;q=0.9, de;q=0.7, en;q=0.5"), German),
            (Some("fr, *;q=0.5, de;q=0.1"), English),
            (Some("de;q=0, fr"), English),
            (Some("fr"), English),
            (Some("den, de-"), English),
            (Some("\u{e9}, ;;, de;q=x"), English),
        ] {
            let request = header.map_or_else(TestRequest::default, |header| {
                TestRequest::default().insert_header(("accept-language", header))
            });
            assert_eq!(Language::of(&request.to_http_request()), expected, "{header:?}");
        }
    }

    #[test]
    fn device_names_and_times_are_formatted_in_each_language() {
        let languages = Languages::read().unwrap();
        let (english, german) = (languages.get(Language::English), languages.get(Language::German));
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        for (agent, name) in [
            (None, "Unknown device"),
            (Some(" "), "Unknown device"),
            (Some(chrome), "Chrome on Linux"),
            (Some(&format!("{chrome} Edg/130.0")), "Edge on Linux"),
            (
                Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1"),
                "Safari on iOS",
            ),
            (Some("Mozilla/5.0 Firefox/130.0"), "Firefox"),
            (Some("curl/8.14.1 x"), "curl/8.14.1"),
            (Some("python-requests/2.31"), "python-requests/2.31"),
            (Some("Account-locked:-call-555"), "Unknown device"),
            (Some("https://evil.example/unlock"), "Unknown device"),
            (Some("evil.example"), "Unknown device"),
            (Some("x\u{202e}/1"), "Unknown device"),
            (Some(&format!("{}/1", "x".repeat(40))), "Unknown device"),
        ] {
            assert_eq!(english.sessions.device(agent), name);
        }
        assert_eq!(german.sessions.device(Some(chrome)), "Chrome unter Linux");
        let time = Timestamp::from_unix(1_700_000_000);
        assert_eq!(english.time.of(time).text, "14 November 2023, 22:13 UTC");
        assert_eq!(german.time.of(time).text, "14. November 2023, 22:13 Uhr (UTC)");
        assert_eq!(german.time.of(time).machine, "2023-11-14T22:13:20Z");
    }
}
