//! The outermost layer of the application: what is done with every request, whatever comes of it.

use std::rc::Rc;

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse},
};

use crate::{
    app::connection::{self, Watched},
    http::{access_log::Entry, edge::Edge, metrics::RequestCounter, panic::Guarded},
};

/// One layer and not six: each moves the whole answer, and multiplies the names of Actix's types.
#[derive(Clone)]
pub(super) struct Outermost {
    pub(super) edge: Edge,
    pub(super) counter: Option<Rc<RequestCounter>>,
}

impl Outermost {
    /// The middleware, for [`App::wrap_fn`](actix_web::App::wrap_fn).
    pub(super) fn pass<S, B>(
        &self,
        request: ServiceRequest,
        next: &S,
    ) -> impl Future<Output = Result<ServiceResponse<Watched<EitherBody<B>>>, Error>> + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    {
        let edge = self.edge;
        let in_flight = connection::begin(&request);
        let logged = Entry::begin(&request);
        let counted = self.counter.as_ref().map(|counter| counter.begin(&request));
        let called = match edge.admit(&request) {
            Ok(()) => Ok(Guarded::call(|| next.call(request))),
            Err(refusal) => Err(request.error_response(refusal)),
        };
        async move {
            let mut answer = match called {
                Ok(called) => called
                    .answer()
                    .await
                    .map(|answer| answer.map_body(|_, body| in_flight.watch(EitherBody::left(body)))),
                Err(refusal) => Ok(refusal.map_body(|_, body| in_flight.watch(EitherBody::right(body)))),
            };
            match &mut answer {
                Ok(answer) => edge.add_headers(answer.headers_mut()),
                Err(error) => error.add_response_mapper(move |mut answer| {
                    edge.add_headers(answer.headers_mut());
                    answer
                }),
            }
            if let Some(logged) = logged {
                logged.log(&answer);
            }
            if let Some(counted) = counted {
                counted.end(&answer);
            }
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, guard, http::header, test, web};

    use super::*;

    const EDGE: Edge = Edge { max_header_bytes: 100, has_tls: true };

    async fn panics() -> HttpResponse {
        panic!("a handler panics")
    }

    /// Whatever comes of a request: an answer, a panic at once or later, or a refusal.
    #[actix_web::test]
    async fn every_answer_has_the_headers() {
        let outermost = Outermost { edge: EDGE, counter: None };
        let panics_at_once = guard::fn_guard(|_| panic!("a guard panics"));
        let app = App::new()
            .wrap_fn(move |request, next| outermost.pass(request, next))
            .route("/answer", web::to(HttpResponse::Ok))
            .route("/panic", web::to(panics))
            .route("/panic-at-once", web::route().guard(panics_at_once).to(HttpResponse::Ok));
        let app = test::init_service(app).await;
        let long = format!("/{}", "a".repeat(100));
        for (path, status) in [("/answer", 200), ("/panic", 500), ("/panic-at-once", 500), (&long, 431)] {
            let request = test::TestRequest::with_uri(path).to_request();
            let (found, headers) = match test::try_call_service(&app, request).await {
                Ok(answer) => (answer.status(), answer.headers().clone()),
                Err(error) => {
                    let answer = error.error_response();
                    (answer.status(), answer.headers().clone())
                }
            };
            assert_eq!(found.as_u16(), status, "{path}");
            for name in [header::X_CONTENT_TYPE_OPTIONS, header::STRICT_TRANSPORT_SECURITY] {
                assert!(headers.contains_key(&name), "{path} without {name}");
            }
        }
    }
}
