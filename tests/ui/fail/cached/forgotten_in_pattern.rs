use cache_runtime::cached;

struct Path<T>(T);

#[cached("invoices", key = org)]
async fn invoices(Path((org, user_id)): Path<(u64, u64)>) -> Vec<u64> {
    vec![org, user_id]
}

fn main() {}
