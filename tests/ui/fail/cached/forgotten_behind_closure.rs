use cache_runtime::cached;

#[cached("invoices", key = ids.iter().map(|user_id| user_id + 1).sum::<u64>())]
async fn invoices(ids: Vec<u64>, user_id: u64) -> Vec<u64> {
    vec![ids.len() as u64, user_id]
}

fn main() {}
