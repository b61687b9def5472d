//! The versions of the libraries that this program was built with.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// The lock file. Cargo updates it whenever a version changes, so it cannot be out of date.
const LOCK: &str = include_str!("../../../Cargo.lock");

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The version of the library `name`; empty where it is not in the build. Where several versions are, it is the one that
/// a crate of this workspace depends on.
#[must_use]
pub fn version(name: &str) -> &'static str {
    static VERSIONS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    VERSIONS.get_or_init(|| versions(LOCK)).get(name).map_or("", String::as_str)
}

fn versions(lock: &str) -> BTreeMap<String, String> {
    let packages = toml::from_str(lock).map_or_else(|_| Vec::new(), |Lock { package }| package);
    let mut versions = BTreeMap::new();
    for Package { name, version, .. } in &packages {
        versions.insert(name.clone(), version.clone());
    }
    // A dependency is written with its version where its name alone could mean several.
    let own = packages.iter().filter(|package| package.name.starts_with("rpcbench"));
    for dependency in own.flat_map(|package| &package.dependencies) {
        if let Some((name, version)) = dependency.split_once(' ') {
            versions.insert(name.to_owned(), version.to_owned());
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_it_is_ours() {
        let package = |name: &str, version: &str, needs: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [{needs}]\n")
        };
        let lock = [
            package("hyper", "0.14.1", ""),
            package("hyper", "1.2.0", ""),
            package("other", "9.0.0", "\"hyper 0.14.1\""),
            package("rpcbench-http", "0.1.0", "\"hyper 1.2.0\", \"other\""),
            package("zz", "1.0.0", "\"hyper 0.14.1\""),
        ];
        let versions = versions(&lock.concat());
        assert_eq!((versions["hyper"].as_str(), versions["other"].as_str()), ("1.2.0", "9.0.0"));
    }

    #[test]
    fn the_lock_file_of_the_build_is_readable() {
        assert_eq!(version("rpcbench"), env!("CARGO_PKG_VERSION"));
        assert_eq!(version("no such library"), "");
    }
}
