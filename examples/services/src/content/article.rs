//! Articles: rendered once for all readers, with what those readers read too.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::ttls;
use crate::database::{Db, QUERIES};
use crate::error::Error;

/// As it is stored in the database, and as a client writes it.
#[derive(Debug, Deserialize, sqlx::FromRow)]
struct Draft {
    title: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Article {
    id: i64,
    topic: String,
    title: String,
    author: String,
    html: String,
    words: usize,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Related {
    id: i64,
    title: String,
    readers: i64,
}

#[derive(Debug, Serialize)]
struct Page {
    #[serde(flatten)]
    article: Article,
    related: Vec<Related>,
}

/// An article, rendered. Version 1 had no `words`: what older programs leave in Redis is not read here, and they read their own.
#[cached("content", ttl = ttls::CONTENT, none_ttl = "30s", key = id, version = 2)]
async fn article(#[skip] db: &Db, id: i64) -> Result<Option<Article>, sqlx::Error> {
    let sql = "SELECT topic, author, title, text FROM articles WHERE id = $1";
    let query = sqlx::query_as(sql).bind(id).fetch_optional(&db.pool);
    let found: Option<(String, String, String, String)> =
        QUERIES.query("article by id", query).await?;
    Ok(found.map(|(topic, author, title, text)| Article {
        id,
        topic,
        title,
        author,
        html: html(&text),
        words: text.split_whitespace().count(),
    }))
}

/// What the readers of an article read of its topic too. The topic, which no write changes, is in the key so that
/// a write can name those that it concerns.
#[cached("query:content:related", ttl = ttls::QUERY)]
async fn related(#[skip] db: &Db, topic: &str, id: i64) -> Result<Vec<Related>, sqlx::Error> {
    let sql = "SELECT articles.id, articles.title, count(*) AS readers
               FROM reads AS its JOIN reads AS others ON others.reader_id = its.reader_id JOIN articles ON articles.id = others.article_id
               WHERE its.article_id = $1 AND articles.topic = $2 AND articles.id <> its.article_id
               GROUP BY articles.id, articles.title ORDER BY readers DESC, articles.id LIMIT 5";
    let query = sqlx::query_as(sql).bind(id).bind(topic);
    QUERIES
        .query("related articles", query.fetch_all(&db.pool))
        .await
}

/// Its title may stand on the page of any other of its topic. The answer is that topic; of an article that is not there nothing is old.
#[invalidates(article(id), related(&result, _))]
async fn change(db: &Db, id: i64, draft: Draft) -> Result<String, Error> {
    let sql = "UPDATE articles SET title = $1, text = $2 WHERE id = $3 RETURNING topic";
    let query = sqlx::query_scalar(sql)
        .bind(draft.title)
        .bind(draft.text)
        .bind(id);
    let topic = QUERIES
        .query("change an article", query.fetch_optional(&db.pool))
        .await?;
    topic.ok_or(Error::NotFound)
}

#[invalidates(article(id), related(&result, _))]
async fn remove(tx: &mut AnyConnection, id: i64) -> Result<String, Error> {
    let reads = sqlx::query("DELETE FROM reads WHERE article_id = $1").bind(id);
    QUERIES
        .query("delete the reads of an article", reads.execute(&mut *tx))
        .await?;
    let sql = "DELETE FROM articles WHERE id = $1 RETURNING topic";
    let query = sqlx::query_scalar(sql).bind(id).fetch_optional(tx);
    let topic = QUERIES.query("delete an article", query).await?;
    topic.ok_or(Error::NotFound)
}

/// Paragraphs between empty lines, and headings behind a `#`.
fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (tag, block) = match block.strip_prefix("# ") {
            Some(heading) => ("h1", heading),
            None => ("p", block),
        };
        let block = block
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        html.push_str(&format!("<{tag}>{}</{tag}>\n", block.trim()));
    }
    html
}

pub(super) fn routes() -> Router<Db> {
    let one = get(get_article).put(put_article).delete(delete_article);
    Router::new().route("/{id}", one)
}

async fn get_article(State(db): State<Db>, Path(id): Path<i64>) -> Result<Json<Page>, Error> {
    let article = article(&db, id).await?.ok_or(Error::NotFound)?;
    let related = related(&db, &article.topic, id).await?;
    Ok(Json(Page { article, related }))
}

async fn put_article(
    State(db): State<Db>,
    Path(id): Path<i64>,
    Json(draft): Json<Draft>,
) -> Result<StatusCode, Error> {
    if draft.title.is_empty() || draft.text.len() > 100_000 {
        let why = "an article needs a title, and at most 100,000 bytes of text";
        return Err(Error::Invalid(why.to_owned()));
    }
    change(&db, id, draft).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_article(State(db): State<Db>, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    db.transaction(async |tx| remove(tx, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
