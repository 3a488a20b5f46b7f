use cache_runtime::cached;

#[cached("users", load_timeout = "2s", on_timeout = String::new)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
