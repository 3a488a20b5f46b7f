//! What a request says, with errors in JSON.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::key::{Key, Pattern};

/// Bytes of a pattern, or of a key.
const LONGEST: usize = 2_000;

/// The query of a URL.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::bad_request(error.body_text())),
        }
    }
}

/// What stands in the path.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(error) => Err(Problem::bad_request(error.body_text())),
        }
    }
}

/// A body in JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(error) => Err(Problem::bad_request(JsonRejection::body_text(&error))),
        }
    }
}

pub(super) fn pattern(text: &str) -> Result<Pattern, Problem> {
    bounded(text)?;
    Pattern::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

pub(super) fn key(text: &str) -> Result<Key, Problem> {
    bounded(text)?;
    Key::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

fn bounded(text: &str) -> Result<(), Problem> {
    match text.len() > LONGEST {
        true => Err(Problem::bad_request(format!(
            "more than {LONGEST} bytes are no key"
        ))),
        false => Ok(()),
    }
}
