use std::fs::{self, File};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::time::timeout;

/// Generous: a loaded machine must not fail a test. It takes some two seconds.
const START_DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Of what a page shows, in pixels.
const WINDOW: &str = "--window-size=1280,1600";

/// A Chromium of one's own, without a window, with its profile in a temporary folder. Dropping it ends it and its driver.
///
/// It derefs to the session that drives it.
#[derive(Debug)]
pub struct Browser {
    /// Not ended by itself: that takes a second connection, for which a driver that still holds the first one takes minutes.
    session: ManuallyDrop<WebDriver>,
    _driver: Driver,
    folder: TempDir,
}

/// `chromedriver`, on a port that it has chosen.
#[derive(Debug)]
struct Driver {
    process: Child,
    url: String,
}

impl Browser {
    /// Starts a browser with an empty page.
    ///
    /// # Panics
    /// When Chromium or its driver are missing, or don't start in a minute.
    pub async fn start() -> Self {
        let profile = tempfile::Builder::new()
            .prefix("browser-")
            .tempdir()
            .expect("a temporary folder");
        let driver = Driver::start(&profile).await;
        let mut wanted = DesiredCapabilities::chrome();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless=new",
            // Root has no sandbox.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            WINDOW,
            &folder,
        ];
        for argument in arguments {
            wanted.add_arg(argument).expect("an argument is text");
        }
        let session = timeout(START_DEADLINE, WebDriver::new(&driver.url, wanted))
            .await
            .expect("chromium starts in time")
            .expect("chromium starts");
        Self {
            session: ManuallyDrop::new(session),
            _driver: driver,
            folder: profile,
        }
    }

    /// The folder with its profile and its driver's log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.session
    }
}

impl Driver {
    async fn start(profile: &TempDir) -> Self {
        let said = profile.path().join("chromedriver.log");
        let process = Command::new("chromedriver")
            .arg("--port=0")
            // What Chromium leaves beside its profile goes with it.
            .env("TMPDIR", profile.path())
            .env("HOME", profile.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(File::create(&said).expect("a log file in the temporary folder"))
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        let mut driver = Self {
            process,
            url: String::new(),
        };
        let deadline = Instant::now() + START_DEADLINE;
        while driver.url.is_empty() {
            let said = fs::read_to_string(&said).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "chromedriver does not start:\n{said}"
            );
            if let Some((_, rest)) = said.split_once("started successfully on port ")
                && let Some((port, _)) = rest.split_once('.')
            {
                driver.url = format!("http://127.0.0.1:{port}");
            }
            tokio::time::sleep(PAUSE).await;
        }
        driver
    }
}

impl Drop for Driver {
    /// It and all that it has started are one group of processes.
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    #[tokio::test]
    async fn it_shows_pages_and_leaves_nothing_running() {
        let browser = Browser::start().await;
        let page = "data:text/html,<title>a page</title><h1>hello</h1>";
        browser.goto(page).await.unwrap();
        assert_eq!(browser.title().await.unwrap(), "a page");
        let folder = browser.folder().to_owned();
        let of_it =
            |command: Vec<u8>| String::from_utf8_lossy(&command).contains(folder.to_str().unwrap());
        let running = || {
            let all = fs::read_dir("/proc").unwrap().flatten();
            let commands = all.flat_map(|process| fs::read(process.path().join("cmdline")));
            commands.filter(|command| of_it(command.clone())).count()
        };
        assert!(running() > 1);
        drop(browser);
        eventually("all have ended", async || running() == 0).await;
        assert!(!folder.exists());
    }
}
