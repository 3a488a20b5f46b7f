use cache_runtime::cached;

#[cached("users", key = (ids, id))]
async fn user(ids: &mut Vec<u64>, id: u64) -> u64 {
    ids.push(id);
    id
}

fn main() {}
