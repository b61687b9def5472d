//! `rpcbench man`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_mangen::Man;

use super::{Exit, Failure, Outcome, print};

/// Print the manual page, or write a page for each command
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  rpcbench man | man -l -\n  rpcbench man --out ~/.local/share/man/man1 && man rpcbench-run"
)]
pub(super) struct Arguments {
    /// Write a page for rpcbench and one for each command into this folder; it is created if it does not exist
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn man(arguments: &Arguments, command: clap::Command) -> Outcome {
    match &arguments.out {
        Some(folder) => write_pages(folder, command).map_err(Failure::could_not_run)?,
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(Failure::could_not_run)?;
            print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Done)
}

fn write_pages(folder: &Path, command: clap::Command) -> anyhow::Result<()> {
    let context = || format!("cannot write manual pages into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(context)?;
    clap_mangen::generate_to(command, folder).with_context(context)
}
