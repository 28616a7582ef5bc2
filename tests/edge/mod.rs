//! The network: proxies, slow and malformed requests, TLS, CORS. The tests run the program.

mod headers;
mod origins;
mod proxies;
mod slow;
mod tls;
mod wrong;
