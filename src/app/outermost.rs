//! The outermost layer of the application: what is done with every request, whatever comes of it.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse},
};
use pin_project_lite::pin_project;

use crate::{
    app::connection::{self, InFlight, Watched},
    http::{
        access_log::Entry,
        edge::Edge,
        metrics::{Counted, RequestCounter},
        panic::Guarded,
    },
};

/// One layer and not six: each moves the whole answer, and multiplies the names of Actix's types.
#[derive(Clone)]
pub(super) struct Outermost {
    pub(super) edge: Edge,
    pub(super) counter: Option<Rc<RequestCounter>>,
}

impl Outermost {
    /// The middleware, for [`App::wrap_fn`](actix_web::App::wrap_fn).
    pub(super) fn pass<S, B>(&self, request: ServiceRequest, next: &S) -> Passing<S::Future>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    {
        let in_flight = connection::begin(&request);
        let logged = Entry::begin(&request);
        let counted = self.counter.as_ref().map(|counter| counter.begin(&request));
        let called = match self.edge.admit(&request) {
            Ok(()) => Guarded::call(|| next.call(request)),
            Err(refusal) => Guarded::failed(refusal),
        };
        Passing { called, edge: self.edge, in_flight, logged, counted }
    }
}

pin_project! {
    /// A request on its way.
    pub(super) struct Passing<F> {
        #[pin]
        called: Guarded<F>,
        edge: Edge,
        in_flight: Option<InFlight>,
        logged: Option<Entry>,
        counted: Option<Counted>,
    }
}

impl<F: Future<Output = Result<ServiceResponse<B>, Error>>, B> Future for Passing<F> {
    type Output = Result<ServiceResponse<Watched<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Looked at where it is: to take it apart is to move it once more.
        let mut polled = this.called.poll(context);
        let Poll::Ready(answer) = &mut polled else { return Poll::Pending };
        let edge = *this.edge;
        match answer {
            Ok(answer) => edge.add_headers(answer.headers_mut()),
            Err(error) => error.add_response_mapper(move |mut answer| {
                edge.add_headers(answer.headers_mut());
                answer
            }),
        }
        if let Some(logged) = this.logged.take() {
            logged.log(answer);
        }
        if let Some(counted) = this.counted.take() {
            counted.end(answer);
        }
        let in_flight = this.in_flight.take();
        polled.map_ok(|answer| answer.map_body(|_, body| Watched::new(body, in_flight)))
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
