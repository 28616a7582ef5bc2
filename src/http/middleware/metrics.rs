//! Request metrics: the number of requests by route, method and status, and their duration by route and method.

use std::time::Instant;

use actix_web::{
    Error,
    dev::{ServiceRequest, ServiceResponse},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The route label for requests whose path matches no route. Labels never contain text from clients: otherwise, clients
/// could create any number of time series.
const NO_ROUTE: &str = "none";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
const OTHER_METHOD: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    /// The pattern of the route, such as `/users/me/sessions/{id}`.
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    #[prometheus(flatten)]
    route: RouteLabels,
    status: u32,
}

/// The request counters and duration histograms.
#[derive(Debug)]
pub(crate) struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
}

/// The timer for a request in flight.
pub(crate) struct RequestTimer {
    route: RouteLabels,
    start: Instant,
}

impl RequestMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register("http_requests", "Requests by route, method and status", requests.clone());
        let help = "Time until the response starts";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        Self { requests, durations }
    }

    /// Starts the timer for a request.
    pub(crate) fn start(&self, request: &ServiceRequest) -> RequestTimer {
        // Use the path as the router decoded it, so that `/%74oken` gets the label `/token`.
        let path = request.match_info().as_str();
        let route = request.resource_map().match_pattern(path).unwrap_or_else(|| NO_ROUTE.to_owned());
        let method = request.method().as_str();
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER_METHOD);
        RequestTimer { route: RouteLabels { route, method }, start: Instant::now() }
    }

    /// Records a request when its response starts.
    pub(crate) fn finish<B>(&self, timer: RequestTimer, result: &Result<ServiceResponse<B>, Error>) {
        let RequestTimer { route, start } = timer;
        self.durations.get_or_create(&route).observe(start.elapsed().as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, status: super::status(result).into() }).inc();
    }
}
