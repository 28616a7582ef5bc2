//! Bearer authentication for routes, resources and scopes.

use std::pin::Pin;

use actix_web::{Error, dev::ServiceRequest};
use actix_web_httpauth::middleware::HttpAuthentication;

use crate::{
    auth::Auth,
    domain::user::AuthUser,
    http::extract::users::{RequiredScopes, authorize},
};

/// The future that an [`HttpAuthentication`] validator returns.
type Validated = Pin<Box<dyn Future<Output = Result<ServiceRequest, (Error, ServiceRequest)>>>>;

impl<U: AuthUser> Auth<U> {
    /// Returns middleware that authenticates every request for the extractors [`CurrentUser`](crate::CurrentUser),
    /// [`ActiveUser`](crate::ActiveUser), [`MaybeUser`](crate::MaybeUser) and [`CurrentClient`](crate::CurrentClient).
    /// The middleware itself never refuses a request; the extractors do.
    ///
    /// The extractors also work without this middleware if [`Auth::routes`] is part of the application.
    pub fn bearer(
        &self,
    ) -> HttpAuthentication<(), impl Fn(ServiceRequest, ()) -> Validated + Clone + use<U>> {
        let auth = self.clone();
        HttpAuthentication::with_fn(move |request: ServiceRequest, ()| -> Validated {
            let auth = auth.clone();
            Box::pin(async move {
                // The call stores its result in the request for the extractors, even if the result is an error.
                let _ = auth.authenticate_request(request.request()).await;
                Ok(request)
            })
        })
    }

    /// Returns middleware that accepts only requests from active users whose token has the scopes `R`. Wrap a route, a
    /// resource or a whole scope: `web::scope("/admin").wrap(auth.require::<Admin>())`.
    ///
    /// Middleware around a scope runs before requests are routed within the scope. Unauthorized requests with an
    /// unknown path or method therefore get 401 or 403, not 404 or 405.
    ///
    /// ```
    /// use actix_web::web;
    /// use gatepass::{Auth, AuthUser, RequiredScopes};
    ///
    /// struct Admin;
    ///
    /// impl RequiredScopes for Admin {
    ///     const SCOPES: &'static [&'static str] = &["admin"];
    /// }
    ///
    /// async fn purge() -> &'static str {
    ///     "purged"
    /// }
    ///
    /// fn configure<U: AuthUser>(auth: &Auth<U>, app: &mut web::ServiceConfig) {
    ///     let admin = web::scope("/admin").wrap(auth.require::<Admin>());
    ///     app.configure(auth.routes()).service(admin.route("/purge", web::post().to(purge)));
    /// }
    /// ```
    pub fn require<R: RequiredScopes>(
        &self,
    ) -> HttpAuthentication<(), impl Fn(ServiceRequest, ()) -> Validated + Clone + use<U, R>> {
        let auth = self.clone();
        HttpAuthentication::with_fn(move |request: ServiceRequest, ()| -> Validated {
            let auth = auth.clone();
            Box::pin(async move {
                let check = |authentication| authorize(authentication, R::SCOPES);
                let checked = auth.check_request(request.request(), check).await;
                match checked {
                    Ok(_) => Ok(request),
                    Err(error) => Err((auth.error_response(error).into(), request)),
                }
            })
        })
    }
}
