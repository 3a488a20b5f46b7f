use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The wall clock of a child process, to be moved while it runs. Its monotonic clock stays as it is.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// A clock that is right.
    ///
    /// # Panics
    /// Without a C compiler, which every Rust toolchain needs to link.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it costs a compiler's run")]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("clock-").tempdir();
        let clock = Self {
            folder: folder.expect("a temporary folder"),
        };
        let source = clock.folder.path().join("clock.c");
        fs::write(&source, include_str!("clock.c")).expect("a file in the folder");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&clock.library(), &source])
            .output()
            .expect("cc is installed");
        assert!(
            made.status.success(),
            "cc: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        clock.set(0);
        clock
    }

    /// Sets it this many seconds before or after the machine's.
    ///
    /// # Panics
    /// When its file is gone.
    pub fn set(&self, seconds: i64) {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.offset())
            .and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0))
            .expect("a file in the folder");
    }

    /// Gives this clock to a process that is about to start.
    pub fn give(&self, process: &mut Command) {
        process
            .env("LD_PRELOAD", self.library())
            .env("CLOCK_OFFSET", self.offset());
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
