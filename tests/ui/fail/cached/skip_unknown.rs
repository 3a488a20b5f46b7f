use cache_runtime::cached;

#[cached("users", skip(dbb))]
async fn user(db: &str, id: u64) -> u64 {
    id + db.len() as u64
}

fn main() {}
