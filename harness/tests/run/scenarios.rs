//! The published reference of scenarios, and `rpcbench list --scenario`.

use std::path::Path;

use rpcbench::scenario::{BUILT_IN, json_schema, reference_page};

use crate::common::{finish, rpcbench};

/// Checks that the file at `path` of the repository holds `text`. `RPCBENCH_BLESS=1` writes it first.
fn check_generated(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("RPCBENCH_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let published = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        published == text,
        "{path} does not match the types any more; if they were meant to change, run RPCBENCH_BLESS=1 cargo test -p \
         rpcbench --test run"
    );
}

#[test]
fn the_published_schema_of_a_scenario_matches_the_types() {
    let text = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    check_generated("results/scenario.schema.json", &text);
}

#[test]
fn the_published_page_of_scenario_keys_matches_the_types() {
    check_generated("harness/docs/scenarios.md", &reference_page());
}

#[test]
fn the_published_schema_allows_every_built_in_scenario() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for (name, text) in BUILT_IN {
        let scenario: serde_json::Value = toml::from_str(text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&scenario).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn list_prints_a_built_in_scenario_and_suggests_the_name_of_a_misspelt_one() {
    let printed = finish(&mut rpcbench(&["list", "--scenario", "quick"])).with(0, &[]);
    assert_eq!(printed.out.join("\n"), BUILT_IN[0].1.trim_end());
    finish(&mut rpcbench(&["list", "--scenario", "qick"])).with(2, &["did you mean `quick`?"]);
}
