//! Being told to end, where something has to be put back first.

use tokio::signal::ctrl_c;

/// Ctrl-C, or `SIGTERM`. Once this was waited for, neither ends the process by itself.
pub(crate) async fn end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = ctrl_c() => {}
            }
            return;
        }
    }
    let _ = ctrl_c().await;
}
