//! The network: proxies, slow and malformed requests, TLS, CORS.

mod cors;
mod headers;
mod http2;
mod malformed;
mod memory;
mod proxies;
mod slow;
mod tls;
