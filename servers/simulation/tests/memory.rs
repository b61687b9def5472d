//! Memory that grows is found. A test program with this test alone, since the allocator counts for all threads.

use std::alloc::System;

use cap::Cap;
use simulation::{Defect, Options, Plan, Protocol, Violation, run};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[test]
fn answers_that_are_kept_are_found() {
    let allocated = Some((|| ALLOCATOR.allocated()) as fn() -> usize);
    for protocol in [Protocol::Zerorpc, Protocol::Rest, Protocol::RestBare] {
        let violations = |defect| {
            let options = Options { defect, allocated, ..Options::default() };
            (0..20)
                .flat_map(|seed| run(&Plan::from_seed(seed, Some(protocol)), &options).unwrap().violations)
                .collect::<Vec<_>>()
        };
        assert!(
            violations(Defect::ClientKeepsAnswers)
                .iter()
                .any(|violation| matches!(violation, Violation::Memory { .. }))
        );
        assert_eq!(violations(Defect::None), []);
    }
}
