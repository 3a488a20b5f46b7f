//! P1 from outside: several processes, while everything around them fails. And the checker sees what is wrong without the library.
#![expect(clippy::unwrap_used, reason = "what a test unwraps has to be there")]

use serde_json::Value;
use tokio::process::Command;

/// Runs the soak, and tells its figures.
async fn soak(options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(["--processes", "4", "--faults", "all", "--json"])
        .args(options)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{options:?}: {}\n{told}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn nothing_old_is_served_while_everything_fails() {
    let figures = soak(&["--seconds", "30"]).await;
    assert_eq!(figures["violations"], 0, "{figures}");
    for (figure, least) in [
        ("operations", 20_000),
        ("tested", 1_000),
        ("queued_writes", 1),
    ] {
        assert!(
            figures[figure].as_u64() > Some(least),
            "{figure}: {figures}"
        );
    }
    assert!(
        figures["faults"].as_object().unwrap().len() >= 8,
        "{figures}"
    );
}

#[tokio::test]
async fn the_checker_finds_what_is_wrong_by_hand() {
    let figures = soak(&["--seconds", "8", "--mode", "naive"]).await;
    assert!(figures["violations"].as_u64() > Some(0), "{figures}");
    assert!(figures["overwritten"].as_u64() > Some(0), "{figures}");
}

#[tokio::test]
async fn nothing_old_is_served_by_a_cluster_that_changes() {
    let figures = soak(&["--seconds", "15", "--mode", "cluster"]).await;
    assert_eq!(figures["violations"], 0, "{figures}");
    for (figure, least) in [("operations", 5_000), ("tested", 300)] {
        assert!(
            figures[figure].as_u64() > Some(least),
            "{figure}: {figures}"
        );
    }
    assert!(
        figures["faults"].as_object().unwrap().len() >= 4,
        "{figures}"
    );
}
