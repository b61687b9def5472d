//! For the same bytes, our decoders and the reference implementations return the same value, or both reject them.
//!
//! `RPCBENCH_MUTATIONS` is the number of mutated messages for each codec, `RPCBENCH_SEED` the seed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use differential::{CODECS, Codec, CompareError, Mutator, Reference, compare};

/// The default of `RPCBENCH_MUTATIONS`.
const MUTATIONS: u32 = 5_000;
/// How many differences are printed.
const MAX_DIFFERENCES: usize = 10;

fn reference(codec: &Codec) -> Reference {
    let Some(python) = env::var_os("RPCBENCH_PYTHON").map(PathBuf::from) else {
        panic!(
            "RPCBENCH_PYTHON does not name a Python that has the packages of servers/python/requirements.txt; \
             scripts/test installs them and sets it"
        );
    };
    Reference::start(&python, codec.name).unwrap()
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect(variable))
}

/// The inputs of every fuzz target of this codec.
fn seeds(codec: &Codec) -> Vec<Vec<u8>> {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for corpus in [servers.join(codec.name).join("fuzz/corpus"), servers.join("differential/fuzz/corpus")] {
        for folder in fs::read_dir(corpus).unwrap() {
            let folder = folder.unwrap().path();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with(codec.name) {
                paths.extend(fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
            }
        }
    }
    // The order of a folder's files depends on the file system.
    paths.sort();
    let examples = codec.known.iter().map(|known| (known.example)());
    paths.iter().map(|path| fs::read(path).unwrap()).chain(examples).collect()
}

fn compare_mutations(name: &str) {
    let codec = CODECS.iter().find(|codec| codec.name == name).unwrap();
    let mut reference = reference(codec);
    let seed = number("RPCBENCH_SEED").unwrap_or(1);
    let mutations = number("RPCBENCH_MUTATIONS").unwrap_or(MUTATIONS.into());
    let seeds = seeds(codec);
    let mut mutator = Mutator::new(seed, seeds.clone(), codec.dictionary);
    let mutated = (0..mutations).map(|_| mutator.message());
    let mut known = BTreeMap::new();
    let mut differences = Vec::new();
    let mut compared = 0;
    for message in seeds.into_iter().chain(mutated) {
        compared += 1;
        match compare(codec, &mut reference, &message) {
            Ok(names) => names.into_iter().for_each(|name| *known.entry(name).or_insert(0) += 1),
            Err(CompareError::Difference(difference)) => differences.push(difference.to_string()),
            Err(error) => panic!("b\"{}\": {error}", message.escape_ascii()),
        }
        if differences.len() >= MAX_DIFFERENCES {
            break;
        }
    }
    println!("{name}: {compared} messages compared, seed {seed}, known differences {known:?}");
    assert!(differences.is_empty(), "with RPCBENCH_SEED={seed}:\n{}", differences.join("\n"));
}

#[test]
fn rest_bodies_and_queries_are_read_alike() {
    compare_mutations("rest");
}

#[test]
fn xmlrpc_documents_are_read_alike() {
    compare_mutations("xmlrpc");
}

#[test]
fn jsonrpc_messages_are_read_alike() {
    compare_mutations("jsonrpc");
}

#[test]
fn zerorpc_events_are_read_alike() {
    compare_mutations("zerorpc");
}

#[test]
fn amqp_bodies_are_read_alike() {
    compare_mutations("amqp");
}

#[test]
fn every_known_difference_occurs_and_is_documented() {
    for codec in CODECS {
        let mut reference = reference(&codec);
        let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(codec.name).join("src");
        let documentation =
            ["wire/mod.rs", "wire.rs"].iter().find_map(|file| fs::read_to_string(wire.join(file)).ok());
        let documentation = documentation.expect("the module `wire`");
        for known in codec.known {
            match compare(&codec, &mut reference, &(known.example)()) {
                Ok(names) => {
                    assert!(
                        names.contains(known.name),
                        "{}: {names:?} instead of {}",
                        codec.name,
                        known.name
                    );
                }
                Err(error) => panic!("{} of {}: {error}", known.name, codec.name),
            }
            let row = format!("//! | `{}` |", known.name);
            assert!(
                documentation.contains(&row),
                "the documentation of {} lists no `{}`",
                codec.name,
                known.name
            );
        }
    }
}
