//! What servers say about their methods, and the scenario that `rpcbench init` writes from it. Pure functions: each protocol
//! asks its servers in its file in `stacks`.

mod example;
mod method;
mod openapi;
mod openrpc;
mod signature;
mod template;

pub use example::value_for_name;
pub use method::{Argument, Arguments, HttpRequest, Listing, MethodDescription, ValueSource};
pub use openapi::listing_of_openapi;
pub use openrpc::listing_of_openrpc;
pub use signature::arguments_of_signatures;
pub use template::{Contents, MAX_OPERATIONS, Template};
