//! A rate limit for each user on one route.

use std::num::NonZeroU32;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, middleware::Next, web};
use gatepass::error::ApiError;
use gatepass::{ActiveUser, Auth, AuthUser, Subject};
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::users::User;

/// The number of tracked users above which those without recent requests are removed.
const MAX_USERS: usize = 10_000;

/// A rate limit for each user, in memory.
pub struct PerUserLimit(DefaultKeyedRateLimiter<Subject>);

impl PerUserLimit {
    pub fn per_minute(requests: NonZeroU32) -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(requests)))
    }

    fn check(&self, user: &Subject) -> Result<(), ApiError> {
        if self.0.len() > MAX_USERS {
            self.0.retain_recent();
        }
        self.0
            .check_key(user)
            .map_err(|until| ApiError::TooManyAttempts {
                retry_after: until.wait_time_from(self.0.clock().now()),
            })
    }
}

/// Limits the requests of each user, as middleware of a route, resource or scope: `.wrap(from_fn(limit_per_user))`.
pub async fn limit_per_user<B: MessageBody>(
    auth: Auth<User>,
    me: ActiveUser<User>,
    limit: web::Data<PerUserLimit>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    limit
        .check(&me.subject())
        .map_err(|error| auth.error_response(error))?;
    next.call(request).await
}
