//! Replays recorded rounds through the decision of `rpcbench gate`: how often it says what. Reads outcomes, a JSON object on
//! each line of standard input, and prints JSON; `scripts/gate-power` runs this.
//!
//! Rounds are judged in the order in which they were made. A piece ends where a gate would have ended, and the next one
//! begins with the next round, so that pieces do not overlap. The rounds that are left over at the end are not counted.

use std::collections::BTreeMap;
use std::io::BufRead;

use rpcbench::gate::{Decider, GateSettings, Metric, RoundRecord, Verdict};
use serde::{Deserialize, Serialize};

/// What is read of an outcome.
#[derive(Deserialize)]
struct Recorded {
    rounds: Vec<RoundRecord>,
}

/// How the gates of a stack would have ended.
#[derive(Default, Serialize)]
struct Replayed {
    slower: u32,
    not_slower: u32,
    undecided: u32,
    /// The rounds of each gate.
    rounds: Vec<u32>,
    /// The logarithms of new ÷ base of the server's CPU time in all rounds.
    server_cpu: Vec<f64>,
}

fn main() -> anyhow::Result<()> {
    let settings = GateSettings::load(None)?;
    let mut rounds: BTreeMap<String, Vec<RoundRecord>> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let recorded: Recorded = serde_json::from_str(&line?)?;
        for round in recorded.rounds {
            rounds.entry(round.stack.clone()).or_default().push(round);
        }
    }
    let replayed: BTreeMap<_, _> =
        rounds.iter().map(|(stack, rounds)| (stack, replay(stack, rounds, &settings))).collect();
    println!("{}", serde_json::to_string_pretty(&replayed)?);
    Ok(())
}

fn replay(stack: &str, rounds: &[RoundRecord], settings: &GateSettings) -> Replayed {
    let settings = GateSettings { stacks: vec![stack.to_owned()], ..settings.clone() };
    let decider = || Decider::of(&settings, &Metric::ALL, 0.0);
    let mut replayed = Replayed::default();
    let mut gate = decider();
    for round in rounds {
        replayed.server_cpu.extend(round.ratio(Metric::ServerCpu));
        gate.push(|_, metric| round.ratio(metric));
        if !gate.is_over() {
            continue;
        }
        match gate.verdict() {
            Verdict::Slower => replayed.slower += 1,
            Verdict::NotSlower => replayed.not_slower += 1,
            Verdict::Undecided => replayed.undecided += 1,
        }
        replayed.rounds.push(gate.rounds());
        gate = decider();
    }
    replayed
}
