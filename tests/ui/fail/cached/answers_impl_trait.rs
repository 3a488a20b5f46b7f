use cache_runtime::cached;

#[cached("users")]
async fn users(count: u64) -> impl Iterator<Item = u64> {
    0..count
}

fn main() {}
