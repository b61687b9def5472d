//! `rpcbench completions`.

use clap_complete::Shell;

use super::{Exit, Outcome, print};

/// Print a completion script for a shell
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  rpcbench completions bash > ~/.local/share/bash-completion/completions/rpcbench\n  \
                  rpcbench completions zsh > ~/.zfunc/_rpcbench\n  \
                  rpcbench completions fish > ~/.config/fish/completions/rpcbench.fish"
)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments, mut command: clap::Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "rpcbench", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
