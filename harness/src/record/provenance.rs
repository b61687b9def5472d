//! What the program that measured was built from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a program was built from. A fact that was not known when it was built is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Build {
    /// The Git commit, as 40 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether a file that the program is built from differed from that commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The version of the compiler, as `rustc --version` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// Cargo's profile, `release` or `debug`, and the level of optimisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The target triple.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The hash of Cargo.lock, as `git hash-object` prints it. It determines the versions of all libraries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

impl Build {
    /// What this program was built from.
    #[must_use]
    pub fn own() -> Self {
        let known = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        Build {
            commit: known(env!("RPCBENCH_BUILD_COMMIT")),
            dirty: known(env!("RPCBENCH_BUILD_DIRTY")).map(|dirty| dirty == "true"),
            compiler: known(env!("RPCBENCH_BUILD_COMPILER")),
            profile: known(env!("RPCBENCH_BUILD_PROFILE")),
            target: known(env!("RPCBENCH_BUILD_TARGET")),
            lock: known(env!("RPCBENCH_BUILD_LOCK")),
        }
    }

    /// The commit in short, with a remark where the files differed from it.
    #[must_use]
    pub fn revision(&self) -> Option<String> {
        let commit = self.commit.as_ref()?;
        let short = commit.get(..10).unwrap_or(commit);
        Some(if self.dirty == Some(true) { format!("{short} with local changes") } else { short.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_knows_its_compiler_and_profile() {
        let build = Build::own();
        assert!(build.compiler.unwrap().starts_with("rustc 1."));
        assert!(build.profile.unwrap().contains("opt-level"));
        assert!(build.target.unwrap().contains(std::env::consts::ARCH));
        if let Some(commit) = build.commit {
            assert!(commit.len() >= 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{commit}");
            assert!(build.dirty.is_some() && build.lock.is_some());
        }
    }

    #[test]
    fn a_revision_shows_local_changes() {
        let build = |dirty| Build { commit: Some("0123456789abcdef".to_owned()), dirty, ..Build::default() };
        assert_eq!(build(Some(false)).revision().unwrap(), "0123456789");
        assert_eq!(build(Some(true)).revision().unwrap(), "0123456789 with local changes");
        assert_eq!(Build::default().revision(), None);
    }
}
