//! Client credentials tokens in an application that uses the library.

use actix_web::{App, Either, HttpResponse, http::StatusCode, test, web};
use gatepass::{
    Account, ActiveUser, Auth, AuthUser, BackendError, Client, ClientId, ClientRegistry, ClientSecretHash,
    CurrentClient, CurrentUser, GrantedScopes, MaybeUser, PasswordHash, RequiredScopes, Subject, UserStore,
    Username, error::BuildError, jwt::JwtTokens,
};

use crate::support::doubles::{AgingHasher, Member, Members};

struct Reports;

impl RequiredScopes for Reports {
    const SCOPES: &'static [&'static str] = &["reports:read"];
}

/// A registry with one client, which may use the client credentials grant.
struct OwnTokens;

impl ClientRegistry for OwnTokens {
    async fn find(&self, client_id: &ClientId) -> Result<Option<Client>, BackendError> {
        let client = Client {
            grants: vec!["client_credentials".to_owned()],
            scopes: GrantedScopes::Only("reports:read other".parse()?),
            ..Client::confidential(client_id.clone(), [ClientSecretHash::of(&"secret".into())])
        };
        Ok((client_id.as_str() == "reports").then_some(client))
    }
}

fn tokens() -> JwtTokens {
    JwtTokens::from_secret(&"x".repeat(32), "https://auth.example.com").unwrap()
}

async fn client(client: CurrentClient<Member, Reports>) -> String {
    client.client_id().to_string()
}

async fn ok() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/client", web::get().to(client))
        .route("/current", web::get().to(async |_: CurrentUser<Member>| ok().await))
        .route("/active", web::get().to(async |_: ActiveUser<Member>| ok().await))
        .route("/maybe", web::get().to(async |_: MaybeUser<Member>| ok().await))
        .route(
            "/either",
            web::get().to(async |_: Either<ActiveUser<Member>, CurrentClient<Member>>| ok().await),
        );
}

#[actix_web::test]
async fn client_token_is_accepted_only_by_the_client_extractor() {
    let members = || Members::with(GrantedScopes::Only("me".parse().unwrap()));
    let auth = Auth::builder(members()).passwords(AgingHasher::default()).tokens(tokens()).clients(OwnTokens);
    let auth = auth.build().unwrap();
    let flows = serde_json::to_value(auth.openapi()).unwrap();
    let flows = &flows["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"];
    assert_eq!(flows["clientCredentials"]["tokenUrl"], "token");
    // This service only verifies tokens: it has no client registry.
    let remote = Auth::builder(members()).token_verifier(tokens()).build().unwrap();
    let guarded = web::scope("/guarded").wrap(auth.require::<Reports>()).route("", web::get().to(ok));
    let app = App::new().configure(auth.routes()).configure(routes).service(guarded);
    let app = test::init_service(app).await;
    let remote = test::init_service(App::new().configure(remote.routes()).configure(routes)).await;

    let token = async |scope: &str| {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let form = form.into_iter().chain([("client_id", "reports"), ("client_secret", "secret")]);
        let request = test::TestRequest::post().uri("/token").set_form(form.collect::<Vec<_>>());
        let json: serde_json::Value = test::call_and_read_body_json(&app, request.to_request()).await;
        json["access_token"].as_str().expect("a token").to_owned()
    };
    let (full, narrow) = (token("").await, token("other").await);
    let get = |path: &str, token: &str| {
        let header = ("Authorization", format!("Bearer {token}"));
        test::TestRequest::get().uri(path).insert_header(header).to_request()
    };
    for (path, token, status) in [
        ("/client", &full, StatusCode::OK),
        ("/client", &narrow, StatusCode::FORBIDDEN),
        ("/either", &narrow, StatusCode::OK),
        ("/current", &full, StatusCode::UNAUTHORIZED),
        ("/active", &full, StatusCode::UNAUTHORIZED),
        ("/maybe", &full, StatusCode::UNAUTHORIZED),
    ] {
        for app in [&app, &remote] {
            assert_eq!(test::call_service(app, get(path, token)).await.status(), status, "{path}");
        }
    }
    let guarded = test::try_call_service(&app, get("/guarded", &full)).await;
    let status = guarded.map_or_else(|error| error.error_response().status(), |response| response.status());
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(test::call_and_read_body(&app, get("/client", &full)).await, "reports");
}

#[actix_web::test]
async fn auth_with_the_user_kind_of_clients_fails_to_build() {
    #[derive(Clone)]
    struct Customer;
    impl AuthUser for Customer {
        fn subject(&self) -> Subject {
            7.into()
        }
        fn is_active(&self) -> bool {
            true
        }
        fn allowed_scopes(&self) -> GrantedScopes {
            GrantedScopes::All
        }
        fn user_kind() -> &'static str {
            Client::USER_KIND
        }
    }
    struct NoCustomers;
    impl UserStore for NoCustomers {
        type User = Customer;
        async fn find_by_username(&self, _: &Username) -> Result<Option<Account<Customer>>, BackendError> {
            Ok(None)
        }
        async fn find_by_subject(&self, _: &Subject) -> Result<Option<Customer>, BackendError> {
            Ok(None)
        }
        async fn replace_hash(
            &self,
            _: &Subject,
            _: &PasswordHash,
            _: &PasswordHash,
        ) -> Result<(), BackendError> {
            Ok(())
        }
    }
    let built = Auth::builder(NoCustomers).tokens(tokens()).build();
    assert_eq!(built.err(), Some(BuildError::ReservedUserKind));
}

#[actix_web::test]
async fn metadata_lists_authentication_with_a_secret_only_if_there_is_a_client_registry() {
    let builder = || {
        let builder = Auth::builder(Members::default()).passwords(AgingHasher::default()).tokens(tokens());
        builder.issuer("https://auth.example.com")
    };
    for (builder, expected) in [
        (builder(), vec!["none"]),
        (builder().clients(OwnTokens), vec!["none", "client_secret_basic", "client_secret_post"]),
    ] {
        let auth = builder.build().unwrap();
        let app = test::init_service(App::new().configure(auth.routes())).await;
        let request = test::TestRequest::get().uri("/.well-known/oauth-authorization-server").to_request();
        let metadata: serde_json::Value = test::call_and_read_body_json(&app, request).await;
        assert_eq!(metadata["token_endpoint_auth_methods_supported"], serde_json::json!(expected));
    }
}
