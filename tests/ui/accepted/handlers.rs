//! Axum handlers: parameters that are patterns, and answers in `Json`.
#![deny(warnings)]

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone)]
struct App {
    cache: Cache,
}

#[derive(Clone, Serialize, Deserialize)]
struct Page {
    limit: u32,
    after: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: Uuid,
    name: String,
}

#[cached("users", "1m", key = id, skip(app))]
async fn user(State(app): State<App>, Path(id): Path<Uuid>) -> Result<Json<User>, StatusCode> {
    drop(app);
    Ok(Json(User {
        id,
        name: String::new(),
    }))
}

#[cached("members", cache = app.cache)]
async fn members(
    State(app): State<App>,
    Path((org, team)): Path<(Uuid, String)>,
) -> Json<Vec<User>> {
    drop(app);
    let _ = (org, team);
    Json(Vec::new())
}

#[cached("list", skip(_app))]
async fn list(
    State(_app): State<Arc<App>>,
    Query(Page { limit, after }): Query<Page>,
    Json(tags): Json<BTreeSet<String>>,
) -> Option<Json<Vec<u32>>> {
    after.is_none().then(|| Json(vec![limit; tags.len()]))
}

#[cached("sorted", key = (tags.iter().map(String::as_str).collect::<Vec<_>>().join("-"), "all"))]
async fn sorted(Json(tags): Json<Vec<String>>) -> usize {
    tags.len()
}

#[invalidates(
    user(id),
    members(result.id, _),
    list(_, _),
    "members:{id}:*",
    "users:{result.id}",
    tag = "user:{result.name}"
)]
async fn update(Path(id): Path<Uuid>, Json(user): Json<User>) -> Result<Json<User>, StatusCode> {
    let _ = id;
    Ok(Json(user))
}

#[test]
fn works() {
    let app = App {
        cache: Cache::current(),
    };
    let _ = axum::Router::<App>::new()
        .route("/users/{id}", axum::routing::get(user).put(update))
        .route("/orgs/{org}/{team}", axum::routing::get(members));
    let id = Uuid::new_v4();
    let _ = (
        user::key(id),
        members::pattern(Some(id), None),
        members::key(id, String::new()),
    );
    let page = Page {
        limit: 1,
        after: None,
    };
    let _ = list::key(page, BTreeSet::new());
    drop(list(
        State(Arc::new(app)),
        Query(Page {
            limit: 1,
            after: None,
        }),
        Json(BTreeSet::new()),
    ));
    let _ = list::pattern(None, Some(BTreeSet::new()));
    let _ = sorted::pattern(Some(Vec::new()));
    drop(sorted(Json(Vec::new())));
}
