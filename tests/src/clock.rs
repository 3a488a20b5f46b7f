use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wall clock of a child process, to be moved while it runs. Its monotonic clock stays as it is.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// A clock that is right, with its files in `folder`.
    ///
    /// # Panics
    /// Without a C compiler, which every Rust toolchain needs to link.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let clock = Self {
            library: folder.join("clock.so"),
            offset: folder.join("clock"),
        };
        let source = folder.join("clock.c");
        fs::write(&source, include_str!("clock.c")).expect("a file in the folder");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&clock.library, &source])
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
            .open(&self.offset)
            .and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0))
            .expect("a file in the folder");
    }

    /// Gives this clock to a process that is about to start.
    pub fn give(&self, process: &mut Command) {
        process
            .env("LD_PRELOAD", &self.library)
            .env("CLOCK_OFFSET", &self.offset);
    }
}
