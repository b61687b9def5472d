//! The token of control ports, which a server and its clients take from the environment.

use super::Failure;
use crate::observe::control::{TOKEN_VARIABLE, Token};

/// The token in the environment.
///
/// # Errors
/// A usage error, which says what to do, if there is none.
pub(super) fn control_token() -> Result<Token, Failure> {
    let text = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
    if text.is_empty() {
        return Err(Failure::usage(format!(
            "a control port needs a token: set {TOKEN_VARIABLE} to the same random text for a server and for the programs \
             that use its control port, for example with export {TOKEN_VARIABLE}=$(openssl rand -hex 16)"
        )));
    }
    text.parse().map_err(|error| Failure::usage(format!("{TOKEN_VARIABLE}: {error}")))
}
