//! Three replicas behind nginx on one PostgreSQL, with nginx as docker-compose.yml configures it.

#[path = "../commands/program.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod program;
#[path = "../secure/service.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod clients;
mod cluster;
mod compose;
mod names;
mod nginx;
mod one_service;
mod replicas_go;
