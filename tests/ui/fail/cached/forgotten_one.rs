use cache_runtime::cached;

#[cached("invoices", key = org)]
async fn invoices(org: u64, user_id: u64) -> Vec<u64> {
    vec![org, user_id]
}

fn main() {}
