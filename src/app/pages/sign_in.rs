//! The sign-in page at `/login`, and `/logout`.

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;

use crate::{
    app::pages::{Page, PageResult, Query, Site, general_text, redirect, texts::Texts, wait},
    domain::secret::Password,
    http::{
        endpoints::login::{self, is_own_path},
        error::ApiError,
        extract::{client_info::client_info, cookie::check_origin, field_reader::FieldReader},
    },
};

/// The default page after sign-in, relative to `/login`.
const ACCOUNT: &str = "account";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    t: &'a Texts,
    page: Page<'a>,
    notice: Option<&'a str>,
    error: Option<String>,
    /// The URL of the service, if the browser used a different URL.
    address: Option<&'a str>,
    /// True if users can sign in with a password, so that the page has a form.
    has_form: bool,
    wait: Option<u64>,
    next: Option<String>,
    /// The username. If it is not empty, the password field gets the focus: after a failed sign-in, the username is
    /// usually correct.
    username: String,
    username_invalid: bool,
    password_invalid: bool,
}

/// Returns whether a redirect may lead to a URL: a path on the same origin, or the relative URL of the account page.
fn is_next(url: &str) -> bool {
    let is_account = || {
        let query = url.strip_prefix(ACCOUNT)?;
        (query.is_empty() || query.starts_with('?')).then(|| is_own_path(&format!("/{url}")))
    };
    is_own_path(url) || is_account().unwrap_or_default()
}

/// `GET /login`.
pub(super) async fn show(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    let Query { next, done, .. } = Query::of(&request);
    let next = next.filter(|next| is_next(next));
    // Users without the scope for the account page count as signed in too.
    if site.is_signed_in(&request).await? {
        return Ok(redirect(next.as_deref().unwrap_or(ACCOUNT)));
    }
    let t = site.texts(&request);
    let notice = done.and_then(|code| t.sign_in.notices.get(&code)).map(String::as_str);
    let page = SignInPage {
        t,
        page: site.page(&request, false),
        notice,
        error: None,
        address: None,
        has_form: site.pages.rules.is_some(),
        wait: None,
        next,
        username: String::new(),
        username_invalid: false,
        password_invalid: false,
    };
    Ok(site.render(&request, HttpResponse::Ok().finish(), &page))
}

/// The fields of the form that the page shows again after an error.
#[derive(Default)]
struct Fields {
    username: String,
    next: Option<String>,
}

/// `POST /login` from an HTML form.
pub(super) async fn sign_in(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> PageResult {
    let mut fields = Fields::default();
    let result = try_sign_in(&site, &request, payload, &mut fields).await;
    Ok(result.unwrap_or_else(|error| failed(&site, &request, error, fields)))
}

async fn try_sign_in(
    site: &Site,
    request: &HttpRequest,
    payload: web::Payload,
    fields: &mut Fields,
) -> Result<HttpResponse, ApiError> {
    let auth = site.auth();
    let allowed = async {
        auth.check_rate(&client_info(request)).await?;
        // Without this check, a page of another site could sign its visitors in to the attacker's account.
        check_origin(auth.transport()?, request)
    }
    .await;
    // The form is read even if the request is refused, so that the page can show the fields again.
    let reader = FieldReader::read(request, payload.into_inner(), auth.error_format()).await;
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return Err(allowed.err().unwrap_or(error)),
    };
    fields.username = reader.required("username");
    let password = Password::from(reader.required("password"));
    let next = login::next(&mut reader, is_next);
    fields.next.clone_from(&next);
    allowed?;
    reader.finish()?;
    let mut response = redirect(next.as_deref().unwrap_or(ACCOUNT));
    login::sign_in(auth, request, &fields.username, &password, &mut response).await?;
    Ok(response)
}

/// Shows the page again with an error.
fn failed(site: &Site, request: &HttpRequest, error: ApiError, fields: Fields) -> HttpResponse {
    let t = site.texts(request);
    let mut invalid = (false, false);
    let text = match &error {
        ApiError::InvalidForm(errors) => {
            let is_invalid = |name| errors.iter().any(|error| error.field() == name);
            invalid = (is_invalid("username"), is_invalid("password"));
            match invalid {
                (true, true) => format!("{} {}", t.errors.username_missing, t.errors.password_missing),
                (true, false) => t.errors.username_missing.clone(),
                (false, true) => t.errors.password_missing.clone(),
                (false, false) => t.errors.form.clone(),
            }
        }
        ApiError::InvalidCredentials => {
            invalid = (true, true);
            t.errors.credentials.clone()
        }
        error => general_text(t, error).to_owned(),
    };
    let address = site.own_address(&error);
    let has_form = site.pages.rules.is_some();
    let response = site.auth().error_response(error).error_response();
    let page = SignInPage {
        t,
        page: site.page(request, true),
        notice: None,
        // Without a form, the page already says that password sign-in is off.
        error: Some(text).filter(|_| has_form),
        address,
        has_form,
        wait: wait(&response),
        next: fields.next,
        username: fields.username,
        username_invalid: invalid.0,
        password_invalid: invalid.1,
    };
    site.render(request, response, &page)
}

/// `POST /logout` from an HTML form.
pub(super) async fn sign_out(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> PageResult {
    let auth = site.auth();
    auth.check_rate(&client_info(&request)).await?;
    check_origin(auth.transport()?, &request)?;
    let mut reader = FieldReader::read(&request, payload.into_inner(), auth.error_format()).await?;
    let next = login::next(&mut reader, is_next);
    reader.finish()?;
    let mut response = redirect(next.as_deref().unwrap_or("login?done=signed-out"));
    login::sign_out(auth, &request, &mut response).await?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_url_is_accepted_only_if_it_is_a_path_of_the_same_origin_or_the_account_page() {
        for url in ["/", "/orders?page=2", "account", "account?page=2"] {
            assert!(is_next(url), "{url:?} was refused");
        }
        for url in [
            "",
            "accounts",
            "account/../x",
            "account//evil.example",
            "account?a b",
            "account?\\",
            "docs",
            "//x",
        ] {
            assert!(!is_next(url), "{url:?} was accepted");
        }
    }
}
