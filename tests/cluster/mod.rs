//! Three replicas behind nginx on one PostgreSQL, with the nginx configuration of docker-compose.yml.

mod client_address;
mod load;
mod name_server;
mod nginx;
mod replica_failures;
mod setup;
