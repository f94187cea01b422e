//! A browser without a window, where the machine has one.
//!
//! Owns: finding it, its profile. Must not know: what pages show.

use std::path::Path;
use std::process::{Command, Stdio};

/// A browser's command.
pub struct Browser(&'static str);

/// The machine's browser; without one, says that `test` is skipped.
pub fn browser(test: &str) -> Option<Browser> {
    let mut names = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let found = names.find(|name| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    });
    if found.is_none() {
        super::skip(test, "no chromium; apt-get install chromium");
    }
    found.map(Browser)
}

impl Browser {
    /// An empty page that can be driven.
    pub fn open(&self, width: u32, height: u32) -> super::Page {
        super::Page::open(self.0, width, height)
    }

    /// The page's elements as they are when its scripts have run for a while.
    pub fn page(&self, url: &str) -> String {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}", std::process::id()));
        let output = Command::new(self.0)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--ignore-certificate-errors",
                "--timeout=20000",
            ])
            .args(["--virtual-time-budget=3000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .output()
            .expect("run the browser");
        let _ = std::fs::remove_dir_all(profile);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
