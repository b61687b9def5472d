//! The protocols' own options on the command lines of `serve`, `call`, `check` and `run`.

use std::marker::PhantomData;

use clap::{ArgMatches, Command, FromArgMatches};

use super::{Failure, print_error};
use crate::stacks::{
    Destination, GroupArguments, OptionGroup, Options, ServerOptions, Stack, call_groups, client_groups,
    protocols_with, server_groups,
};

/// The option groups of one kind of command.
pub(super) trait Groups {
    /// The groups, of all protocols.
    fn groups() -> Vec<&'static OptionGroup>;
}

/// Selects the option groups of servers.
#[derive(Clone, Debug)]
pub(super) struct OfServers;

/// Selects the option groups with which clients address a server.
#[derive(Clone, Debug)]
pub(super) struct OfClients;

/// Selects the option groups of a single call.
#[derive(Clone, Debug)]
pub(super) struct OfCalls;

impl Groups for OfServers {
    fn groups() -> Vec<&'static OptionGroup> {
        server_groups()
    }
}

impl Groups for OfClients {
    fn groups() -> Vec<&'static OptionGroup> {
        client_groups()
    }
}

impl Groups for OfCalls {
    fn groups() -> Vec<&'static OptionGroup> {
        call_groups()
    }
}

/// The options of all protocols, as an argument group of clap.
#[derive(Clone, Debug)]
pub(super) struct ProtocolOptions<G> {
    arguments: GroupArguments,
    groups: PhantomData<G>,
}

impl<G: Groups> clap::Args for ProtocolOptions<G> {
    fn augment_args(command: Command) -> Command {
        GroupArguments::augment(&G::groups(), command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<G: Groups> FromArgMatches for ProtocolOptions<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let arguments = GroupArguments::parse(&G::groups(), matches)?;
        Ok(ProtocolOptions { arguments, groups: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<G> ProtocolOptions<G> {
    /// Fails where an option was given that `stack`, which has the option groups `groups`, does not have.
    fn check(&self, stack: &Stack, groups: &[&'static OptionGroup]) -> Result<(), Failure> {
        match self.arguments.given_outside(groups) {
            None => Ok(()),
            Some((group, option)) => Err(Failure::usage(format!(
                "{option} is for {}; {} has no such option",
                protocols_with(group),
                stack.name
            ))),
        }
    }
}

impl ProtocolOptions<OfServers> {
    /// The options of a server of `stack`.
    ///
    /// # Errors
    /// Wrong usage for an option that the stack does not have.
    pub(super) fn of_server(&self, stack: &Stack) -> Result<ServerOptions, Failure> {
        let common = server_groups().into_iter().take(1);
        let groups: Vec<_> = common.chain(stack.protocol.server_options().iter().copied()).collect();
        self.check(stack, &groups)?;
        ServerOptions::new(&self.arguments).map_err(Failure::usage)
    }
}

impl ProtocolOptions<OfClients> {
    /// The server of `stack` at `url`.
    ///
    /// # Errors
    /// Wrong usage for a URL of another protocol, and for an option that the stack does not have.
    pub(super) fn destination(&self, stack: &Stack, url: &str) -> Result<Destination, Failure> {
        stack.parse_url(url).map_err(Failure::usage)?;
        print_notes(stack, url);
        self.check(stack, stack.protocol.client_options())?;
        let mut options = self.arguments.options().clone();
        stack.protocol.prepare_client_options(&mut options).map_err(Failure::usage)?;
        Ok(Destination { url: url.to_owned(), options })
    }

    /// The options with which clients address servers of `stacks` that are already running.
    ///
    /// # Errors
    /// Wrong usage for an option that none of the stacks has, and for a value that cannot be used.
    pub(super) fn of_targets(&self, stacks: &[&'static Stack]) -> Result<Options, Failure> {
        let groups: Vec<_> =
            stacks.iter().flat_map(|stack| stack.protocol.client_options()).copied().collect();
        if let Some((group, option)) = self.arguments.given_outside(&groups) {
            return Err(Failure::usage(format!(
                "{option} is for {0} servers that are already running; give their --target",
                protocols_with(group)
            )));
        }
        let mut options = self.arguments.options().clone();
        for stack in stacks {
            stack.protocol.prepare_client_options(&mut options).map_err(Failure::usage)?;
        }
        Ok(options)
    }
}

impl<G> ProtocolOptions<G> {
    /// The options that were given, as `--option`, without their values, which may be secret.
    pub(super) fn given(&self) -> impl Iterator<Item = &str> {
        self.arguments.given()
    }
}

impl ProtocolOptions<OfCalls> {
    /// The options of a call to a server of `stack`.
    ///
    /// # Errors
    /// Wrong usage for an option that the stack does not have.
    pub(super) fn of_call(&self, stack: &Stack) -> Result<Options, Failure> {
        self.check(stack, stack.protocol.call_options())?;
        Ok(self.arguments.options().clone())
    }
}

/// Prints the remarks about a URL for `stack`.
pub(super) fn print_notes(stack: &Stack, url: &str) {
    for note in stack.protocol.url_notes(url) {
        print_error(&format_args!("note: {note}"));
    }
}

/// Reads the options of servers of `stacks` from `arguments`, which are written as for `rpcbench serve`.
///
/// # Errors
/// Wrong usage for anything else, and for an option that none of the stacks has: it would have no effect.
pub(super) fn parse_server_options(
    arguments: &[String],
    stacks: &[&Stack],
) -> Result<ServerOptions, Failure> {
    let refused = |error: clap::Error| {
        // The first line of clap's message, without a usage of `serve`, which was not called.
        let message = error.to_string();
        let line = message.lines().next().unwrap_or_default();
        Failure::usage(format!("--server-arg: {}", line.trim_start_matches("error: ")))
    };
    let command = ProtocolOptions::<OfServers>::augment_options(Command::new("serve").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).map_err(refused)?;
    let options = ProtocolOptions::<OfServers>::from_arg_matches(&matches).map_err(refused)?;
    let of_stacks = stacks.iter().flat_map(|stack| stack.protocol.server_options().iter().copied());
    let groups: Vec<_> = server_groups().into_iter().take(1).chain(of_stacks).collect();
    if let Some((group, option)) = options.arguments.given_outside(&groups) {
        return Err(Failure::usage(format!(
            "--server-arg {option} is for {}; the run starts no such server",
            protocols_with(group)
        )));
    }
    ServerOptions::new(&options.arguments).map_err(Failure::usage)
}

impl<G: Groups> ProtocolOptions<G> {
    fn augment_options(command: Command) -> Command {
        <Self as clap::Args>::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    #[test]
    fn server_options_are_parsed_once_and_typed() {
        let arguments = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let stacks = ["rest", "amqp"].map(|name| Stack::named(name).unwrap());
        let options =
            parse_server_options(&arguments(&["--handler-delay=5ms", "--prefetch=7"]), &stacks).unwrap();
        assert_eq!(options.common.handler_delay, Some(std::time::Duration::from_millis(5)));
        assert_eq!(options.given, ["--handler-delay", "--prefetch"]);
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<ServerOptions>(&text).unwrap(), options);
        for (given, stacks, expected) in [
            ("--nosuch", &stacks[..], "--server-arg: unexpected argument '--nosuch' found"),
            (
                "--prefetch=7",
                &stacks[..1],
                "--server-arg --prefetch is for amqp; the run starts no such server",
            ),
        ] {
            let refused = parse_server_options(&arguments(&[given]), stacks).unwrap_err();
            assert_eq!((refused.exit, refused.message.as_str()), (Exit::Usage, expected));
        }
        assert_eq!(parse_server_options(&[], &[]).unwrap().common, ServerOptions::default().common);
    }
}
