use cache_runtime::cached;

#[cached("users")]
async fn user(#[skip(always)] db: &str, id: u64) -> u64 {
    id + db.len() as u64
}

fn main() {}
