//! Extractors for tokens, users, forms and client credentials.

pub(crate) mod authorization;
pub(crate) mod bearer;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod client_credentials;
pub(crate) mod client_info;
pub(crate) mod cookie;
pub(crate) mod device_cookie;
pub(crate) mod field_reader;
mod form_data;
mod header_parameters;
pub(crate) mod multipart;
pub(crate) mod password_form;
pub(crate) mod users;
