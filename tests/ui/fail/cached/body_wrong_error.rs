use cache_runtime::cached;

#[derive(Debug)]
struct DbError;

async fn fetch(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached("users")]
async fn user(id: u64) -> Result<u64, DbError> {
    Ok(fetch(id).await?)
}

fn main() {}
