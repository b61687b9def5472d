//! The topologies of a plan, each with its stacks.

use std::num::NonZeroU32;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::model::Scenario;
use super::topology::Topology;
use crate::deploy::{Cores, NotEnoughCores};
use crate::load::Operation;
use crate::stacks::Stack;

/// The stream of random numbers for the order of the topologies of the first block; those of the next blocks follow downwards.
/// No other order has such a stream.
const STREAM: u64 = u64::MAX / 2;

/// A topology and its stacks.
#[derive(Clone)]
pub struct PlannedTopology {
    /// The topology.
    pub topology: Topology,
    /// The stacks that take part.
    pub stacks: Vec<&'static Stack>,
    /// The number of its blocks.
    pub blocks: NonZeroU32,
    /// The cores that follow from its placement.
    pub cores: Cores,
}

/// The topologies of a plan.
#[derive(Clone, Default)]
pub struct PlannedTopologies(Vec<PlannedTopology>);

impl PlannedTopologies {
    /// The topologies of `scenario`, of which `stacks` may take part, for a process that may use the cores `allowed`.
    ///
    /// # Errors
    /// [`NotEnoughCores`].
    pub(super) fn new(
        scenario: &Scenario,
        stacks: &[&'static Stack],
        allowed: &[usize],
    ) -> Result<Self, NotEnoughCores> {
        let plan = |topology: &Topology| {
            let included = stacks.iter().filter(|stack| topology.includes(&scenario.stacks, stack));
            Ok(PlannedTopology {
                topology: topology.clone(),
                stacks: included.copied().collect(),
                blocks: topology.blocks.unwrap_or(scenario.blocks),
                cores: topology.placement.cores(allowed)?,
            })
        };
        scenario.topologies.iter().map(plan).collect::<Result<_, _>>().map(PlannedTopologies)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PlannedTopology> {
        self.0.iter()
    }

    /// Whether no stack takes part in any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs() == 0
    }

    /// How often one of them is built, over all stacks and blocks.
    #[must_use]
    pub fn runs(&self) -> usize {
        let of_each = self.0.iter().map(|planned| {
            let blocks = usize::try_from(planned.blocks.get()).unwrap_or(usize::MAX);
            planned.stacks.len().saturating_mul(blocks)
        });
        of_each.fold(0, usize::saturating_add)
    }

    /// The number of blocks.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.0.iter().map(|planned| planned.blocks.get()).max().unwrap_or(0)
    }

    /// The largest number of servers of a stack that run at the same time.
    #[must_use]
    pub fn max_servers(&self) -> usize {
        let servers = self.0.iter().map(|planned| planned.topology.servers.get()).max().unwrap_or(0);
        usize::try_from(servers).unwrap_or(usize::MAX)
    }

    /// The topologies of block `number`, each with one stack: the smallest first, so that the memory that a broker keeps of one
    /// is not more than the next one needs. The order of the stacks is random, and depends only on `number` and `seed`.
    #[must_use]
    pub fn of_block(&self, number: u32, seed: u64) -> Vec<(&PlannedTopology, &'static Stack)> {
        let of_block = self.0.iter().filter(|planned| number < planned.blocks.get());
        let mut all: Vec<_> =
            of_block.flat_map(|planned| planned.stacks.iter().map(move |stack| (planned, *stack))).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM - u64::from(number));
        all.shuffle(&mut rng);
        all.sort_by_key(|(planned, _)| planned.topology.pairs());
        all
    }

    /// The stacks that take part, some of them several times.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &'static Stack> {
        self.0.iter().flat_map(|planned| &planned.stacks).copied()
    }

    /// The operations that `stack` is called with.
    pub(super) fn operations(&self, stack: &Stack) -> impl Iterator<Item = Operation> {
        let includes = |planned: &&PlannedTopology| planned.stacks.iter().any(|it| it.name == stack.name);
        self.0
            .iter()
            .filter(includes)
            .map(|planned| planned.topology.operation)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Leaves `stack` out.
    pub(super) fn skip(&mut self, stack: &str) {
        for planned in &mut self.0 {
            planned.stacks.retain(|included| included.name != stack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Plan;

    const GOOD: &str = r#"
name = "mine"
question = "How many?"
blocks = 3
warmup = "10ms"
measure = "100ms"
stacks = ["rest", "amqp"]

[[topology]]
name = "2 × 3"
clients = 2
servers = 3
operation = "add"
placement = "free"

[[topology]]
name = "one"
clients = 1
servers = 1
operation = "hello"
placement = "free"
stacks = ["rest"]
blocks = 2
"#;

    fn plan(text: &str) -> Result<Plan, String> {
        let scenario = Scenario::parse("mine.toml", text).map_err(|error| error.to_string())?;
        Plan::new(&scenario, &[0, 1]).map_err(|error| error.to_string())
    }

    fn names(block: &[(&PlannedTopology, &'static Stack)]) -> Vec<String> {
        block.iter().map(|(planned, stack)| format!("{} {}", planned.topology.name, stack.name)).collect()
    }

    #[test]
    fn a_scenario_of_topologies_alone_is_planned_block_by_block() {
        let plan = plan(GOOD).unwrap();
        let topologies = plan.topologies();
        assert_eq!((topologies.runs(), topologies.blocks(), topologies.max_servers()), (3 * 2 + 2, 3, 3));
        let sorted = |number| {
            let mut names = names(&topologies.of_block(number, 7));
            names.sort();
            names
        };
        assert_eq!(sorted(1), ["2 × 3 amqp", "2 × 3 rest", "one rest"]);
        assert_eq!(sorted(2), ["2 × 3 amqp", "2 × 3 rest"]);
        assert_eq!(names(&topologies.of_block(0, 7)), names(&topologies.of_block(0, 7)));
        let is_last = |seed| names(&topologies.of_block(0, seed))[2].ends_with("amqp");
        assert!((0..20).any(is_last) && !(0..20).all(is_last), "stacks are shuffled");
        assert!((0..20).all(|seed| names(&topologies.of_block(0, seed))[0] == "one rest"), "smallest first");
        let stacks: Vec<_> = plan.stacks().iter().map(|stack| stack.name).collect();
        assert_eq!(stacks, ["rest", "amqp"]);
        assert!(plan.has_more_than_blocks());
        let scenario = Scenario::parse("mine.toml", GOOD).unwrap();
        assert_eq!(scenario.topologies[0].pairs(), 6);
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    #[test]
    fn a_stack_that_is_skipped_takes_no_part() {
        let mut plan = plan(GOOD).unwrap();
        plan.skip("rest");
        assert_eq!(plan.topologies().runs(), 3);
        plan.skip("amqp");
        assert!(plan.topologies().is_empty());
    }

    #[test]
    fn what_cannot_be_built_is_refused_with_the_reason() {
        for (from, to, expected) in [
            ("clients = 2", "clients = 257", "the topology `2 × 3`: it has 1 to 256 clients"),
            ("servers = 3", "servers = 33", "it has 1 to 32 servers"),
            ("servers = 3", "servers = 0", "expected a number from 1"),
            ("\"2 × 3\"", "\"one\"", "another topology has this name"),
            ("[\"rest\"]\nblocks = 2", "[\"rset\"]", "no stack `rset`; did you mean `rest`?"),
            ("clients = 2", "client = 2", "did you mean `clients`?"),
        ] {
            let broken = GOOD.replacen(from, to, 1);
            assert_ne!(broken, GOOD, "{from}");
            let error = plan(&broken).err().unwrap_or_default();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn more_connections_than_descriptors_are_refused() {
        let mut topology = Scenario::parse("mine.toml", GOOD).unwrap().topologies.remove(0);
        let stacks = [Stack::named("rest").unwrap()];
        let mut check = |clients, servers, open_files| {
            topology.clients = NonZeroU32::new(clients).unwrap();
            topology.servers = NonZeroU32::new(servers).unwrap();
            let checked = Topology::check_all(std::slice::from_ref(&topology), &stacks, open_files);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(32, 32, Some(1_352)), Ok(()));
        let error = check(32, 32, Some(1_351)).unwrap_err();
        assert!(error.contains("take up to 1352 file descriptors, and a process may have 1351"), "{error}");
        assert_eq!(check(32, 32, None), Ok(()));
    }
}
