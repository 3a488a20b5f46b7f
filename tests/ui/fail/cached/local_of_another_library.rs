use cache_runtime::cached;

#[cached("users", l1 = "10s", near = "10s", memory = true, local_ttl = 10)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
