use cache_runtime::cached;

#[cached("users")]
#[cached("people")]
async fn user(#[skip] db: &str, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
