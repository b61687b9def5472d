//! The token of control ports, which a server and its clients take from the environment.

use super::Failure;
use crate::observe::control::{TOKEN_VARIABLE, Token};
use crate::sys;

/// The token in the environment.
///
/// # Errors
/// A usage error, which says what to do, if there is none.
pub(super) fn control_token() -> Result<Token, Failure> {
    let text = sys::variable(TOKEN_VARIABLE).and_then(|text| text.into_string().ok()).ok_or_else(|| {
        Failure::usage(format!(
            "a control port needs a token: set {TOKEN_VARIABLE} to the same random text for a server and for the programs \
             that use its control port, for example with export {TOKEN_VARIABLE}=$(openssl rand -hex 16)"
        ))
    })?;
    text.parse().map_err(|error| Failure::usage(format!("{TOKEN_VARIABLE}: {error}")))
}
