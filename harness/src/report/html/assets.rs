//! The styles and the script of a page. They are files that are embedded when the program is built.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The styles of all pages.
const STYLES: &str = include_str!("../page/page.css");
/// The styles of the sections about the anatomy of a call and about trust.
const SECTION_STYLES: &str = include_str!("../sections.css");
/// The script of the page of a report.
const REPORT_SCRIPT: &str =
    concat!(include_str!("../page/page.js"), "\n", include_str!("../page/another.js"));
/// The script of the page of an index.
const INDEX_SCRIPT: &str = include_str!("../index/index.js");

/// The styles.
#[derive(Serialize)]
pub(super) struct Style {
    rules: &'static str,
    /// Those of single sections, which have precedence.
    sections: &'static str,
}

impl Style {
    pub(super) fn new() -> Self {
        Style { rules: STYLES.trim_end(), sections: SECTION_STYLES.trim_end() }
    }
}

/// The script, and its hash as the page's content security policy names it. A browser runs no other script.
#[derive(Serialize)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn of_report() -> Self {
        Script::new(REPORT_SCRIPT)
    }

    pub(super) fn of_index() -> Self {
        Script::new(INDEX_SCRIPT)
    }

    fn new(text: &'static str) -> Self {
        Script { text, hash: format!("sha256-{}", STANDARD.encode(Sha256::digest(text))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_file_can_end_its_element_or_ask_for_another_file() {
        for text in [STYLES, SECTION_STYLES, REPORT_SCRIPT, INDEX_SCRIPT] {
            for word in ["</", "<!--", "url(", "@import", "import(", "://"] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn the_hash_is_that_of_sha_256() {
        // FIPS 180-4, the example of one block: "abc".
        let digest = Sha256::digest("abc");
        assert_eq!(STANDARD.encode(digest), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        assert_eq!(Script::of_report().hash.len(), "sha256-".len() + 44);
    }
}
