use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[cached("others")]
#[updates(user(id))]
async fn other(id: u64) -> String {
    id.to_string()
}

async fn elsewhere() {
    other::invalidate(1).await;
}

fn main() {}
