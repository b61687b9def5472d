//! How much of a report commands print.

use super::output::screen_width;
use crate::report::Screen;

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Detail {
    /// With `--format text`, also print what the stacks ran with and consist of, the conformance checks, every setting and the
    /// machine
    #[arg(long, short)]
    verbose: bool,
}

impl Detail {
    /// What to print on standard output.
    pub(super) fn screen(self) -> Screen {
        Screen { width: screen_width(), verbose: self.verbose }
    }
}
