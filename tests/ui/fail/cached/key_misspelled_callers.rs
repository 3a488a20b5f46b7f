use cache_runtime::{cached, invalidates};

struct Db;

#[cached("text", key = "{id}:{page}")]
async fn text(#[skip] db: &Db, id: u8, pge: u8) -> u8 {
    let _ = db;
    id + pge
}

#[cached("name", key = (id, page))]
async fn name(id: u8, pge: u8) -> u8 {
    id + pge
}

#[cached("skip", skip(bd))]
async fn skip(db: &Db, id: u8) -> u8 {
    let _ = db;
    id
}

#[cached("plain")]
fn plain(id: u8) -> u8 {
    id
}

#[invalidates(text(_, id), name(id, _), skip(id), plain(id))]
async fn write(id: u8) {
    let _ = id;
}

async fn callers() {
    text::invalidate(1, 2).await;
    name::put(1, 2, 3).await;
    skip::invalidate(1).await;
    plain::put(1, 2).await;
    let _: Option<u8> = plain::peek(1).await;
    let _ = plain::refresh(1).await;
}

fn main() {}
