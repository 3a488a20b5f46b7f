//! What can go wrong in a service, and what its clients are told of it.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a service does not start, or a request was not answered.
#[derive(Debug)]
pub enum Error {
    /// It cannot start.
    Start(String),
    /// There is nothing there.
    NotFound,
    /// What the client sent makes no sense.
    Invalid(String),
    /// The database failed. Clients are not told how.
    Database(sqlx::Error),
}

impl Error {
    pub(crate) fn start(error: impl fmt::Display) -> Self {
        Self::Start(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) | Self::Invalid(why) => f.write_str(why),
            Self::NotFound => f.write_str("not found"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<cache_runtime::ConfigError> for Error {
    fn from(error: cache_runtime::ConfigError) -> Self {
        Self::start(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Self::Invalid(why) => (StatusCode::UNPROCESSABLE_ENTITY, why),
            Self::Start(_) | Self::Database(_) => {
                tracing::error!(error = %self, "a request failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "the service has failed".to_owned())
            }
        };
        (status, Json(json!({ "detail": detail }))).into_response()
    }
}
