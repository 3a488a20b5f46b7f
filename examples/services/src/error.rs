//! What can go wrong in a service, and what its clients are told of it.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
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
    /// Nobody knows who the client is.
    Unauthorized,
    /// The client asks too often; it may come again after this time.
    TooMany(Duration),
    /// The database failed. Clients are not told how.
    Database(sqlx::Error),
}

impl Error {
    /// Of a statement that should have concerned something.
    pub(crate) fn unless_found(rows: u64) -> Result<(), Self> {
        match rows {
            0 => Err(Self::NotFound),
            _ => Ok(()),
        }
    }

    pub(crate) fn start(error: impl fmt::Display) -> Self {
        Self::Start(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) | Self::Invalid(why) => f.write_str(why),
            Self::NotFound => f.write_str("not found"),
            Self::Unauthorized => f.write_str("unauthorized"),
            Self::TooMany(_) => f.write_str("too many requests"),
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
        let status = match &self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Start(_) | Self::Database(_) => {
                tracing::error!(error = %self, "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let detail = match status.is_server_error() {
            true => "the service has failed".to_owned(),
            false => self.to_string(),
        };
        let mut response = (status, Json(json!({ "detail": detail }))).into_response();
        if let Self::TooMany(wait) = self {
            // Of whole seconds, the last one begun.
            let seconds = wait.as_millis().div_ceil(1000) as u64;
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
