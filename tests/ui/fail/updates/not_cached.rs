use cache_runtime::updates;

async fn user(id: u64) -> String {
    id.to_string()
}

#[updates(user(id))]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
