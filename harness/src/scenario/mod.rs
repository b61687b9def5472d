//! Scenarios: TOML files that say what is measured, and the plan of blocks of trials that follows from one.

mod built_in;
mod check;
mod claim;
mod codec;
mod count;
pub(crate) mod duration;
mod file;
mod group;
mod load;
mod model;
mod plan;
mod plan_limits;
mod reference;
mod servers;
mod timeline;
mod topology;
mod topology_plan;
mod trial_spec;
mod trial_times;

pub use built_in::{BUILT_IN, UnknownScenario, built_in};
pub use claim::{Claim, ClaimFigure, Condition, Over, Threshold};
pub use codec::{CodecMeasurement, CodecPlanError};
pub use file::ScenarioError;
pub(crate) use file::parse_toml;
pub use group::Group;
pub use model::{Contention, Measurement, Scenario, Search, floor_for};
pub use plan::{Plan, PlannedSearch, PlannedTimeline};
pub use plan_limits::PlanError;
pub use reference::{json_schema, reference_page};
pub use servers::SlowServers;
pub use timeline::{Action, Timeline, TimelineError, TimelineEvent};
pub use topology::{Topology, TopologyError};
pub use topology_plan::{PlannedTopologies, PlannedTopology};
pub use trial_spec::{AgentShare, TrialSpec};
pub use trial_times::TrialTimes;
