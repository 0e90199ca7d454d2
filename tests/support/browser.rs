//! The browser that the report page is looked at with: found, or the test is skipped with the remedy.

use std::path::PathBuf;

const SETUP: &str = "run scripts/setup-browser, or point HURACAN_TEST_BROWSER at a Chromium";
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// A Chromium, looked for in `HURACAN_TEST_BROWSER` and on the path. None where there is none: the test says that it was
/// skipped, and fails with `HURACAN_TEST_REQUIRE=1`.
pub fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("HURACAN_TEST_BROWSER") {
        let browser = PathBuf::from(named);
        assert!(browser.is_file(), "HURACAN_TEST_BROWSER={} is no file; {SETUP}", browser.display());
        return Some(browser);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = NAMES.iter().flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
    if let Some(browser) = found.into_iter().find(|file| file.is_file()) {
        return Some(browser);
    }
    crate::skip::skip(&format!("no Chromium; {SETUP}"));
    None
}
