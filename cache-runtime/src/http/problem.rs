//! What went wrong, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::access::Scope;
use crate::error::{Error, ErrorKind};

/// An answer that is not what was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    error: Description,
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Description {
    /// For programs.
    #[schema(example = "bad_request")]
    code: &'static str,
    /// For people.
    message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            error: Description {
                code,
                message: message.into(),
            },
            status,
            retry_after: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "show a token: `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// `scope` is the one that it takes; `None` where any would do.
    pub(super) fn forbidden(scope: Option<Scope>) -> Self {
        let lacks = match scope {
            Some(scope) => format!("not the scope `{}`", format!("{scope:?}").to_lowercase()),
            None => "no scope".to_owned(),
        };
        let message = format!("this token may not do that: it has {lacks}");
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn nothing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn limited(again: Option<Duration>) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "this token has cleared too often",
        );
        problem.again(again.unwrap_or(Duration::from_secs(1)))
    }

    pub(super) fn busy() -> Self {
        let message = "too many requests at once";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).again(Duration::from_secs(1))
    }

    pub(super) fn not_heard() -> Self {
        let message = "this request may not hear of that";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn no_place() -> Self {
        let message = "too many listen already";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).again(Duration::from_secs(5))
    }

    pub(super) fn deaf() -> Self {
        let message = "invalidations cannot be heard of from this Redis";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_pushed", message)
    }

    fn again(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

/// What any request may be answered, for the document.
pub(super) struct Refused;

/// What one may be answered that asks the store, besides.
pub(super) struct StoreFailed;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([
            ("401", "there is no token, or a wrong one"),
            ("403", "the token may not"),
            (
                "503",
                "too many requests at once, or Redis is not connected",
            ),
        ])
    }
}

impl IntoResponses for StoreFailed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([
            ("502", "Redis refused"),
            ("504", "Redis did not answer in time"),
        ])
    }
}

fn problems<const N: usize>(all: [(&str, &str); N]) -> BTreeMap<String, RefOr<Response>> {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let described = |(status, description): (&str, &str)| {
        let response = ResponseBuilder::new().description(description);
        let response = response.content("application/json", content.clone());
        (status.to_owned(), RefOr::T(response.build()))
    };
    all.map(described).into()
}

/// There is nothing here.
pub(super) async fn not_found() -> Problem {
    Problem::nothing("there is nothing at this path")
}

/// There is something here for another method.
pub(super) async fn not_allowed() -> Problem {
    let message = "this path does not know that method";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, "store_unreachable"),
            ErrorKind::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "store_timed_out"),
            ErrorKind::Refused => (StatusCode::BAD_GATEWAY, "store_refused"),
            ErrorKind::Limited => return Self::limited(None),
            ErrorKind::Invalid | ErrorKind::TooLarge => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let status = self.status;
        let after = self
            .retry_after
            .map(|after| after.as_secs_f64().ceil() as u64);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, after.into());
        }
        response
    }
}
