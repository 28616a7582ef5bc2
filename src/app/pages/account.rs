//! The account page: profile, sessions, password and recent activity.

use actix_web::{HttpRequest, HttpResponse, ResponseError, http::header, web};
use askama::Template;

use crate::{
    adapters::sql::{AuditEntry, User},
    app::pages::{
        Page, PageResult, PasswordRules, Query, Site, general_text, redirect, root,
        texts::{Texts, Time},
        wait,
    },
    auth::{AuthError, PasswordChange},
    domain::{
        ports::WeakPassword,
        secret::Password,
        session::{Session, SessionId},
        user::AuthUser,
    },
    http::{
        endpoints::login,
        error::ApiError,
        extract::{
            client_info::client_info, cookie::check_origin, field_reader::FieldReader, users::CurrentUser,
        },
    },
};

/// The number of sessions per page.
const PAGE_SIZE: usize = 10;

/// The number of recent events that the page shows.
const EVENTS: u32 = 10;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    t: &'a Texts,
    page: Page<'a>,
    user: &'a User,
    /// The full name, or the username of a user without a full name.
    name: &'a str,
    notice: Option<&'a str>,
    sessions: Vec<SessionItem>,
    /// The page number in the list of sessions, from 1.
    number: usize,
    pages: usize,
    /// `None` if the page has no password change form.
    rules: Option<PasswordRules>,
    password_error: PasswordError<'a>,
    events: Vec<EventItem>,
    dialogs: [Confirmation<'a>; 3],
}

#[derive(Template)]
#[template(path = "confirm_page.html")]
struct ConfirmPage<'a> {
    t: &'a Texts,
    page: Page<'a>,
    dialog: Confirmation<'a>,
}

/// A session in the list.
struct SessionItem {
    id: String,
    device: String,
    user_agent: String,
    address: String,
    created: Time,
    last_used: Time,
    is_current: bool,
}

/// An event in the list.
struct EventItem {
    text: String,
    times: Option<String>,
    time: Time,
    /// The address and the device. For a failed sign-in, they may be those of a stranger.
    origin: String,
}

/// The error messages of the password change form.
#[derive(Default)]
struct PasswordError<'a> {
    general: Option<&'a str>,
    wait: Option<u64>,
    current: Option<&'a str>,
    new: Option<String>,
}

/// A confirmation before sessions are ended. It is a dialog, or a separate page in browsers without scripts.
struct Confirmation<'a> {
    id: &'static str,
    title: &'a str,
    text: &'a str,
    submit: &'a str,
    action: &'static str,
    session: String,
    device: String,
    /// The page number in the list of sessions to return to.
    number: usize,
    is_dialog: bool,
}

impl<'a> Confirmation<'a> {
    fn end_other(t: &'a Texts) -> Self {
        Self {
            id: "end-other",
            title: &t.sessions.end_title,
            text: &t.sessions.end_text,
            submit: &t.sessions.end,
            action: "end-session",
            session: String::new(),
            device: String::new(),
            number: 1,
            is_dialog: false,
        }
    }

    fn end_current(t: &'a Texts) -> Self {
        Self { id: "end-current", text: &t.sessions.end_current_text, ..Self::end_other(t) }
    }

    fn end_all(t: &'a Texts) -> Self {
        Self {
            id: "end-all",
            title: &t.sessions.end_all_title,
            text: &t.sessions.end_all_text,
            submit: &t.sessions.end_all,
            action: "end-sessions",
            ..Self::end_other(t)
        }
    }
}

/// `GET /account`.
pub(super) async fn show(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    let user = site.user(&request).await?;
    let page = account_page(&site, &request, &user, PasswordError::default()).await?;
    Ok(site.render(&request, HttpResponse::Ok().finish(), &page))
}

async fn account_page<'a>(
    site: &'a Site,
    request: &HttpRequest,
    user: &'a CurrentUser<User>,
    password_error: PasswordError<'a>,
) -> Result<AccountPage<'a>, ApiError> {
    let t = site.texts(request);
    let Query { page, done, .. } = Query::of(request);
    let notice = done.and_then(|code| t.account.notices.get(&code)).map(String::as_str);
    let current = user.claims().session_id.as_ref();
    let mut sessions = site.auth().sessions(&user.subject()).await?;
    // The current session comes first. The others stay sorted by last use, since this sort is stable.
    sessions.sort_by_key(|session| Some(&session.id) != current);
    let pages = sessions.len().div_ceil(PAGE_SIZE).max(1);
    let number = page.unwrap_or(1).clamp(1, pages);
    let shown = sessions.iter().skip((number - 1) * PAGE_SIZE).take(PAGE_SIZE);
    let audit = &site.pages.audit;
    let events = audit
        .security_events(user, EVENTS)
        .await
        .map_err(|error| ApiError::Backend { error: error.into() })?;
    let has_error =
        password_error.general.is_some() || password_error.current.is_some() || password_error.new.is_some();
    Ok(AccountPage {
        t,
        page: site.page(request, has_error),
        user,
        name: user.full_name.as_deref().unwrap_or(&user.username),
        notice,
        sessions: shown.map(|session| SessionItem::of(session, current, t)).collect(),
        number,
        pages,
        rules: site.pages.rules,
        password_error,
        events: events.iter().filter_map(|event| EventItem::of(event, t)).collect(),
        dialogs: [Confirmation::end_other(t), Confirmation::end_current(t), Confirmation::end_all(t)]
            .map(|dialog| Confirmation { number, is_dialog: true, ..dialog }),
    })
}

impl SessionItem {
    fn of(session: &Session, current: Option<&SessionId>, t: &Texts) -> Self {
        let Session { id, client_info, created, last_used, .. } = session;
        let address = client_info.address.map(|address| address.to_string());
        Self {
            id: id.as_str().to_owned(),
            device: device(session, t),
            user_agent: client_info.user_agent.clone().unwrap_or_default(),
            address: address.unwrap_or_else(|| t.sessions.unknown_address.clone()),
            created: t.time.of(*created),
            last_used: t.time.of(*last_used),
            is_current: Some(id) == current,
        }
    }
}

/// Returns the name of the device, or the ID of the client that authenticated.
fn device(session: &Session, t: &Texts) -> String {
    match &session.client_id {
        Some(client_id) => client_id.as_str().to_owned(),
        None => t.sessions.device(session.client_info.user_agent.as_deref()),
    }
}

impl EventItem {
    /// Returns `None` for a kind of event without a text: such events do not concern users, or the query excludes them.
    fn of(event: &AuditEntry, t: &Texts) -> Option<Self> {
        let texts = &t.events;
        let device = event.user_agent.as_deref().map(|agent| t.sessions.device(Some(agent)));
        let origin: Vec<_> = event.address.clone().into_iter().chain(device).collect();
        Some(Self {
            text: texts.kinds.get(&event.event)?.clone(),
            times: (event.count > 1).then(|| texts.times(event.count)),
            time: t.time.of(event.time),
            origin: origin.join(", "),
        })
    }
}

/// `GET /account/user`: the ID of the signed-in user, or an empty body. A page that becomes visible again compares it
/// with the ID of the user that it shows.
pub(super) async fn user(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    let id = match site.user(&request).await {
        Ok(user) => user.id.to_string(),
        Err(ApiError::NotAuthenticated | ApiError::InvalidToken | ApiError::InactiveUser) => String::new(),
        Err(error) => return Err(error),
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store")).content_type("text/plain");
    Ok(response.body(id))
}

/// `GET /account/password` and `GET /logout`, to which forms are sent with POST: redirects to the account page.
pub(super) async fn back(_: web::Data<Site>, request: HttpRequest) -> PageResult {
    Ok(redirect(&format!("{}account", root(&request))))
}

/// `POST /account/password`. The change ends all sessions, and the browser is signed in again.
pub(super) async fn change_password(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> PageResult {
    let user = form_user(&site, &request).await?;
    // Without password sign-in, the user could not sign in again after the change ends all sessions.
    if site.pages.rules.is_none() {
        return Err(ApiError::UnsupportedGrant);
    }
    let mut weak = None;
    let error = match try_change_password(&site, &request, &user, payload, &mut weak).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    // If the change failed after it ended the sessions, this redirects the user to the sign-in page.
    let user = site.user(&request).await?;
    let t = site.texts(&request);
    let mut password_error = PasswordError::default();
    match &error {
        ApiError::IncorrectPassword => password_error.current = Some(&t.errors.current_wrong),
        ApiError::InvalidForm(errors) => {
            let is_missing = |name| errors.iter().any(|error| error.field() == name);
            password_error.current =
                is_missing("current_password").then_some(t.errors.current_missing.as_str());
            password_error.new = is_missing("new_password").then(|| t.errors.new_missing.clone());
        }
        error => password_error.general = Some(general_text(t, error)),
    }
    if let Some(reason) = weak {
        password_error.new = Some(t.errors.weak(reason));
    }
    let response = site.auth().error_response(error).error_response();
    password_error.wait = wait(&response);
    let page = account_page(&site, &request, &user, password_error).await?;
    Ok(site.render(&request, response, &page))
}

/// Changes the password. Sets `weak` to the reason if the policy refuses the new password.
async fn try_change_password(
    site: &Site,
    request: &HttpRequest,
    user: &User,
    payload: web::Payload,
    weak: &mut Option<WeakPassword>,
) -> Result<HttpResponse, ApiError> {
    let auth = site.auth();
    let mut reader = FieldReader::read(request, payload.into_inner(), auth.error_format()).await?;
    let [current, new] =
        ["current_password", "new_password"].map(|name| Password::from(reader.required(name)));
    reader.finish()?;
    let client_info = &client_info(request);
    let change = PasswordChange { user, current: &current, new: &new, client_info };
    auth.change_password(change).await.inspect_err(|error| {
        if let AuthError::WeakPassword(reason) = error {
            *weak = Some(*reason);
        }
    })?;
    let root = root(request);
    let mut response = redirect(&format!("{root}account?done=password"));
    if let Err(error) = login::sign_in(auth, request, &user.username, &new, &mut response).await {
        log::warn!("cannot sign the user in again after a password change: {error}");
        return Ok(redirect(&format!("{root}login?done=password")));
    }
    Ok(response)
}

/// Checks that a form was sent from a page of this origin, and returns the user.
async fn form_user(site: &Site, request: &HttpRequest) -> Result<CurrentUser<User>, ApiError> {
    check_origin(site.auth().transport()?, request)?;
    site.user(request).await
}

/// `GET /account/end-session`: a page to confirm the end of a session.
pub(super) async fn confirm_end(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    let user = site.user(&request).await?;
    let Query { session, page, .. } = Query::of(&request);
    let id = session.unwrap_or_default();
    let sessions = site.auth().sessions(&user.subject()).await?;
    let Some(session) = sessions.into_iter().find(|session| session.id.as_str() == id) else {
        return Ok(redirect(&format!("{}account", root(&request))));
    };
    let t = site.texts(&request);
    let number = page.unwrap_or(1);
    let is_current = Some(&session.id) == user.claims().session_id.as_ref();
    let question = if is_current { Confirmation::end_current(t) } else { Confirmation::end_other(t) };
    let dialog = Confirmation { session: id, device: device(&session, t), number, ..question };
    Ok(confirm(&site, &request, dialog))
}

/// `GET /account/end-sessions`: a page to confirm the end of all sessions.
pub(super) async fn confirm_end_all(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    site.user(&request).await?;
    Ok(confirm(&site, &request, Confirmation::end_all(site.texts(&request))))
}

fn confirm(site: &Site, request: &HttpRequest, dialog: Confirmation<'_>) -> HttpResponse {
    let page = ConfirmPage { t: site.texts(request), page: site.page(request, false), dialog };
    site.render(request, HttpResponse::Ok().finish(), &page)
}

/// `POST /account/end-session`.
pub(super) async fn end(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> PageResult {
    let user = form_user(&site, &request).await?;
    let auth = site.auth();
    let mut reader = FieldReader::read(&request, payload.into_inner(), auth.error_format()).await?;
    let id = SessionId::new(reader.required("session")).ok();
    let number = reader.optional("page").and_then(|page| page.parse::<usize>().ok());
    reader.finish()?;
    let root = root(&request);
    if id.is_some() && id == user.claims().session_id {
        let mut response = redirect(&format!("{root}login?done=signed-out"));
        login::sign_out(auth, &request, &mut response).await?;
        return Ok(response);
    }
    if let Some(id) = id {
        // An unknown session is not an error: it may have ended already.
        auth.end_session(&user.subject(), &id, &client_info(&request)).await?;
    }
    let page = number.filter(|number| *number > 1).map(|number| format!("&page={number}"));
    Ok(redirect(&format!("{root}account?done=session{}", page.unwrap_or_default())))
}

/// `POST /account/end-sessions`.
pub(super) async fn end_all(site: web::Data<Site>, request: HttpRequest, _: web::Payload) -> PageResult {
    let user = form_user(&site, &request).await?;
    let mut response = redirect(&format!("{}login?done=signed-out-everywhere", root(&request)));
    site.auth().end_all_sessions(&user.subject(), &client_info(&request)).await?;
    login::sign_out(site.auth(), &request, &mut response).await?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use crate::{
        app::pages::texts::{Language, Languages},
        domain::event::EventKind,
    };

    #[test]
    fn only_event_kinds_that_are_never_shown_have_no_text() {
        let languages = Languages::read().unwrap();
        let texts = &languages.get(Language::English).events;
        let without: Vec<_> = EventKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .filter(|kind| !texts.kinds.contains_key(*kind))
            .collect();
        // The query excludes these kinds as routine, or the events have no user, or the user has been removed.
        let expected = [
            "client_failed",
            "client_blocked",
            "rate_limited",
            "unauthorized",
            "forbidden",
            "token_issued",
            "refresh",
            "refresh_repeated",
            "refresh_failed",
            "token_revoked",
            "user_removed",
            "users_imported",
            "client_added",
            "client_changed",
            "client_removed",
            "key_rotated",
            "keys_pruned",
        ];
        assert_eq!(without, expected);
    }
}
