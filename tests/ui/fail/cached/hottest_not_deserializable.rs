use cache_runtime::{Warming, cached};

#[derive(Clone, serde::Serialize)]
struct Team(String);

#[cached("teams", "1m")]
async fn size(team: Team) -> usize {
    team.0.len()
}

fn main() {
    let _ = Warming::new().hottest("teams", size::hottest(9), |team| async move {
        size(team).await;
    });
}
