//! The outermost layer of the application: what is done with every request, whatever comes of it.

use std::rc::Rc;

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse},
};

use crate::{
    app::connection::{self, Watched},
    http::{access_log::Entry, edge::Edge, metrics::RequestCounter, panic::unless_it_panics},
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
            Ok(()) => Ok(next.call(request)),
            Err(refusal) => Err(request.error_response(refusal)),
        };
        async move {
            let mut answer = match called {
                Ok(called) => unless_it_panics(called).await.map(ServiceResponse::map_into_left_body),
                Err(refusal) => Ok(refusal.map_into_right_body()),
            };
            if let Ok(answer) = &mut answer {
                edge.add_headers(answer.headers_mut());
            }
            if let Some(logged) = logged {
                logged.log(&answer);
            }
            if let Some(counted) = counted {
                counted.end(&answer);
            }
            Ok(in_flight.watch(answer?))
        }
    }
}
