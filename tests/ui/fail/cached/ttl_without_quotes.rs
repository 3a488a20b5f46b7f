use cache_runtime::cached;

#[cached("a", ttl = 30m, none_ttl = 1_000days)]
async fn a(id: u32) -> Option<u32> {
    Some(id)
}

#[cached("b", 1h)]
async fn b(id: u32) -> u32 {
    id
}

fn main() {}
