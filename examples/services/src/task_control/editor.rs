//! Who is at a task right now: set, got and deleted by hand. It stands in the cache alone, and nothing is lost with it: it is a hint for colleagues, for a minute.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use cache_runtime::{Cache, Namespace, ttl};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::Db;
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
struct Editor {
    name: String,
}

fn editors() -> Namespace {
    Cache::current().namespace("editor").ttl(ttl::SHORT)
}

pub(super) fn routes() -> Router<Db> {
    let one = get(get_editor).put(put_editor).delete(delete_editor);
    Router::new()
        .route("/{id}/editor", one)
        .route("/editors", delete(delete_editors))
}

async fn get_editor(Path(task): Path<Uuid>) -> Result<Json<Editor>, Error> {
    let editor = editors().get(&task).await;
    editor.map(Json).ok_or(Error::NotFound)
}

/// Sent again while the editor is open.
async fn put_editor(Path(task): Path<Uuid>, Json(editor): Json<Editor>) -> StatusCode {
    editors().set(&task, &editor).await;
    StatusCode::NO_CONTENT
}

async fn delete_editor(Path(task): Path<Uuid>) -> StatusCode {
    editors().delete(&task).await;
    StatusCode::NO_CONTENT
}

/// All of them, in one write: everybody says anew where they are.
async fn delete_editors() -> StatusCode {
    editors().clear().await;
    StatusCode::NO_CONTENT
}
