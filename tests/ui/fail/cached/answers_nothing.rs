use cache_runtime::cached;

#[cached("users")]
async fn user(id: u64) {
    let _ = id;
}

fn main() {}
