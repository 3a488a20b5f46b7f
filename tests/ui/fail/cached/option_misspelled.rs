use cache_runtime::cached;

#[cached(namspace = "users", tll = "1m")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
