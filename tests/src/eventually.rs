use std::panic::Location;
use std::time::{Duration, Instant};

/// Generous: a loaded machine must not fail a test. A condition that holds costs one pause at most.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds. Tests wait with this, never by sleeping for a while.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut asked = 0;
/// cache_tests::eventually("the third question is answered", async || {
///     asked += 1;
///     asked == 3
/// })
/// .await;
/// # });
/// ```
///
/// # Panics
/// When 30 seconds pass and it never held. The message names what was waited for, and where.
#[track_caller]
pub fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    within(DEADLINE, what, condition, Location::caller())
}

async fn within(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
    caller: &Location<'_>,
) {
    let begin = Instant::now();
    let mut rounds = 0_u32;
    loop {
        rounds += 1;
        if condition().await {
            return;
        }
        let waited = begin.elapsed();
        assert!(
            waited < deadline,
            "{caller}: waited {waited:.1?} in vain for this: {what} (asked {rounds} times)"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_holds_is_asked_once() {
        let mut asked = 0;
        eventually("true is true", async || {
            asked += 1;
            true
        })
        .await;
        assert_eq!(asked, 1);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for this: pigs fly")]
    async fn a_condition_that_never_holds_is_named() {
        within(
            Duration::ZERO,
            "pigs fly",
            async || false,
            Location::caller(),
        )
        .await;
    }
}
