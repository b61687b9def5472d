//! The options of `rpcbench call` with which a message is sent without asking for a reply, and what they do.

use calculator::ClientOptions;
use serde::{Deserialize, Serialize};

use super::destination::{Connecting, Destination};
use super::invoke::{Invocation, InvokeError, Output, one_call};
use super::options::OptionGroup;
use super::protocol::Stack;
use super::way::Way;

/// Additional options of `rpcbench call` for protocols that go through a broker.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct CallOptions {
    /// Send the message without asking for a reply
    #[arg(long, help_heading = "Brokers")]
    pub(super) cast: bool,
    /// With --cast: send it to every server of the topic or subject
    #[arg(long, requires = "cast", help_heading = "Brokers")]
    pub(super) fanout: bool,
}

pub(super) const CALL: OptionGroup = OptionGroup::of::<CallOptions>("casts");

/// Makes a call of `stack`, or sends a cast over the client that `connect_in` opens, whose calls end with null when the message was
/// confirmed or written.
///
/// # Errors
/// When the call is not one, or fails.
pub(super) async fn invoke(
    stack: &'static Stack,
    invocation: &Invocation,
    print: &mut (dyn FnMut(Output) + Send),
    connect_in: impl FnOnce(Way, Destination, ClientOptions) -> Connecting,
) -> Result<(), InvokeError> {
    let call = invocation.named_call(stack.name, true, |value| value)?;
    let CallOptions { cast, fanout } = invocation.options.get(&CALL)?;
    let (destination, options) = (invocation.destination.clone(), invocation.client_options());
    if !cast {
        let connect = stack.connect(destination, options);
        print(Output::Value(one_call(connect, &call, invocation.timeout).await?));
        return Ok(());
    }
    let way = if fanout { Way::Fanout } else { Way::Cast };
    one_call(connect_in(way, destination, options), &call, invocation.timeout).await?;
    Ok(())
}
