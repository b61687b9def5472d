//! Deployment: server and broker processes, placement on cores, cores kept awake.

pub mod broker;
mod callgrind;
mod child;
mod command_server;
mod driver;
pub mod keep_awake;
mod log_tail;
mod place;
mod placement;
mod ports;
mod program;
mod server;
mod server_group;

pub use callgrind::CallgrindError;
pub(crate) use callgrind::{Callgrind, Totals};
pub(crate) use command_server::{CommandServer, PORT};
pub use driver::DriverError;
pub(crate) use driver::DriverProcess;
pub use place::Place;
pub use placement::{Cores, NotEnoughCores, Placement};
pub use program::{PROGRAM_VARIABLE, own_program};
pub(crate) use server::format_log;
pub use server::{CONTROL_LINE, FROM_ENVIRONMENT_OPTION, ServerError, ServerProcess, ServerStart};
pub use server_group::{GroupError, ServerGroup};
