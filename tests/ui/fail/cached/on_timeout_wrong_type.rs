use cache_runtime::cached;

#[derive(Debug)]
enum DbError {
    Timeout,
}

#[cached("users", load_timeout = "2s", on_timeout = || "late")]
async fn user(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

#[cached("names", load_timeout = "2s", on_timeout = DbError::Timeout)]
async fn name(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Age(u64);

#[cached("ages", load_timeout = "2s", on_timeout = || DbError::Timeout)]
async fn age(id: u64) -> Age {
    Age(id)
}

fn main() {}
