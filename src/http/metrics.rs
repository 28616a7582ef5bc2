//! How many requests there were and how long they took, by route, method and status.

use std::{
    array,
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    Error,
    dev::{ServiceRequest, ServiceResponse},
};

/// Up to how long a request took that is counted with others, in microseconds. Beyond the last is one more class.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// All that is no route of ours, whatever a client makes up.
const NO_ROUTE: &str = "none";

/// The methods that are told apart; a client may make up others.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
const OTHER_METHOD: &str = "other";

/// What all workers counted.
#[derive(Debug, Default)]
pub(crate) struct RequestFigures(Mutex<BTreeMap<Labels, Arc<Tally>>>);

/// By what requests are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    /// The pattern of the route, such as /users/me/sessions/{id}.
    pub(crate) route: Arc<str>,
    pub(crate) method: &'static str,
    pub(crate) status: u16,
}

/// How often, and how long.
#[derive(Debug, Default)]
struct Tally {
    classes: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// The durations of some requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    classes: [u64; BOUNDS.len() + 1],
    microseconds: u64,
}

impl Durations {
    pub(crate) fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// In seconds.
    pub(crate) fn sum(&self) -> f64 {
        Duration::from_micros(self.microseconds).as_secs_f64()
    }

    /// How many took up to so many seconds and longer than the class before.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64());
        bounds.chain([f64::INFINITY]).zip(self.classes)
    }

    pub(crate) fn add(&mut self, others: &Self) {
        self.classes.iter_mut().zip(others.classes).for_each(|(own, other)| *own += other);
        self.microseconds += others.microseconds;
    }
}

impl RequestFigures {
    /// What was counted so far.
    pub(crate) fn read(&self) -> Vec<(Labels, Durations)> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.iter().map(|(labels, tally)| (labels.clone(), tally.read())).collect()
    }

    fn tally(&self, labels: Labels) -> Arc<Tally> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tallies.entry(labels).or_default())
    }
}

impl Tally {
    fn add(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS.partition_point(|bound| *bound < microseconds);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    fn read(&self) -> Durations {
        Durations {
            classes: array::from_fn(|class| self.classes[class].load(Ordering::Relaxed)),
            microseconds: self.microseconds.load(Ordering::Relaxed),
        }
    }
}

/// What one worker counts with: it knows where to, without a lock and without an allocation, once it did so before.
pub(crate) struct RequestCounter {
    figures: Arc<RequestFigures>,
    routes: RefCell<HashMap<Arc<str>, Rc<Route>>>,
    no_route: Rc<Route>,
}

struct Route {
    pattern: Arc<str>,
    tallies: RefCell<Vec<(&'static str, u16, Arc<Tally>)>>,
}

impl Route {
    fn new(pattern: Arc<str>) -> Rc<Self> {
        Rc::new(Self { pattern, tallies: RefCell::default() })
    }
}

/// A request that is being answered.
pub(crate) struct Counted {
    counter: Rc<RequestCounter>,
    route: Rc<Route>,
    method: &'static str,
    start: Instant,
}

impl RequestCounter {
    pub(crate) fn new(figures: Arc<RequestFigures>) -> Rc<Self> {
        Rc::new(Self { figures, routes: RefCell::default(), no_route: Route::new(NO_ROUTE.into()) })
    }

    /// Begins to count a request.
    pub(crate) fn begin(self: &Rc<Self>, request: &ServiceRequest) -> Counted {
        let method = request.method().as_str();
        Counted {
            counter: Rc::clone(self),
            route: self.route(request),
            method: METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER_METHOD),
            start: Instant::now(),
        }
    }

    fn route(&self, request: &ServiceRequest) -> Rc<Route> {
        // The path as the router reads it: /%74oken is /token.
        let path = request.match_info().as_str();
        // A path without parameters is its own pattern.
        if let Some(known) = self.routes.borrow().get(path) {
            return Rc::clone(known);
        }
        let Some(pattern) = request.resource_map().match_pattern(path) else {
            return Rc::clone(&self.no_route);
        };
        let pattern: Arc<str> = pattern.into();
        let mut routes = self.routes.borrow_mut();
        Rc::clone(routes.entry(Arc::clone(&pattern)).or_insert_with(|| Route::new(pattern)))
    }
}

impl Counted {
    /// Counts it, by its answer.
    pub(crate) fn end<B>(self, answer: &Result<ServiceResponse<B>, Error>) {
        let status = match answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let (status, took) = (status.as_u16(), self.start.elapsed());
        let mut tallies = self.route.tallies.borrow_mut();
        let known = tallies.iter().find(|(method, known, _)| (*method, *known) == (self.method, status));
        if let Some((_, _, tally)) = known {
            return tally.add(took);
        }
        let labels = Labels { route: Arc::clone(&self.route.pattern), method: self.method, status };
        let tally = self.counter.figures.tally(labels);
        tally.add(took);
        tallies.push((self.method, status, tally));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_class_that_holds_it() {
        let tally = Tally::default();
        for microseconds in [0, 500, 501, 10_000_000, 10_000_001] {
            tally.add(Duration::from_micros(microseconds));
        }
        let durations = tally.read();
        let classes: Vec<_> = durations.classes().filter(|(_, count)| *count > 0).collect();
        assert_eq!(classes, [(0.0005, 2), (0.001, 1), (10.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((durations.count(), durations.sum()), (5, 20.001_002));
        let mut both = durations.clone();
        both.add(&durations);
        assert_eq!((both.count(), both.sum()), (10, 40.002_004));
    }
}
