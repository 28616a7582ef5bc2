//! Three replicas behind nginx on one PostgreSQL, with nginx as docker-compose.yml configures it.

mod clients;
mod compose;
mod names;
mod nginx;
mod one_service;
mod replicas;
mod replicas_go;
