use cache_runtime::cached;

#[cached("users", max_size = "1 megabyte")]
async fn user(id: u64) -> u64 {
    id
}

#[cached("groups", max_size = 0)]
async fn group(id: u64) -> u64 {
    id
}

#[cached("teams", max_size = "4GB", max_bytes = 10)]
async fn team(id: u64) -> u64 {
    id
}

fn main() {}
