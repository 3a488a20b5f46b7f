use cache_runtime::{Warming, cached};

#[cached("boards", "1m")]
async fn board(team: &str, days: u32) -> u32 {
    days + team.len() as u32
}

fn main() {
    let _ = Warming::new().hottest("boards", board::hottest(9), |(team, days): (String, i64)| async move {
        board(&team, days as u32).await;
    });
}
