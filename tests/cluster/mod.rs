//! Replicas that share a PostgreSQL database, behind nginx with the configuration from docker-compose.yml.

mod client_address;
mod load;
mod name_server;
mod nginx;
mod replica_failures;
mod setup;
