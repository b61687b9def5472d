//! `--broker`: brokers that are already running.

use super::Failure;
use super::protocol_options::print_notes;
use crate::stacks::{BrokerUrls, default_brokered, revealed};

/// The brokers at the URLs `given`, each as itself, `@FILE`, `env:NAME` or `-`. The environment variable has several in one
/// text, with spaces between them. Prints what has no effect in them.
///
/// # Errors
/// A usage error, which repeats no URL.
pub(super) fn broker_urls(given: &[String]) -> Result<BrokerUrls, Failure> {
    let refused = |error: String| Failure::usage(format!("--broker: {error}"));
    let reveal = |given: &String| revealed(given).map_err(|error| refused(error.to_string()));
    let texts = given.iter().map(reveal).collect::<Result<Vec<_>, _>>()?;
    let urls = texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned);
    let urls = BrokerUrls::new(urls).map_err(refused)?;
    for (kind, stack) in default_brokered() {
        if let Some(url) = urls.of(kind) {
            print_notes(stack, url);
        }
    }
    Ok(urls)
}
