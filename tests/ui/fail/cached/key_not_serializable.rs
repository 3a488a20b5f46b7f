use cache_runtime::cached;

struct Db;

#[cached("users")]
async fn user(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
