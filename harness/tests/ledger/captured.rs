//! The bytes of a call, captured and cut into parts, compared with the ledger.

use rpcbench::record::{CapturedCall, Wire};
use rpcbench::run::capture::capture;
use rpcbench::stacks::{Layer, Stack};
use rpcbench::trial::{BrokerLocation, RunningServer, TrialContext};
use tokio::runtime::Runtime;

/// Captures a call, and compares the parts of its bytes with those that the ledger knows from the codecs.
pub(crate) fn compare_with_ledger(
    runtime: &Runtime,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
    running: &RunningServer,
    wire: &Wire,
) -> CapturedCall {
    let captured = runtime.block_on(capture(stack, context, broker, running, wire)).unwrap();
    assert_eq!(captured.stack, stack.name);
    assert_eq!(captured.hops.len(), wire.hops.len(), "{}", stack.name);
    for (hop, counted) in captured.hops.iter().zip(&wire.hops) {
        assert_eq!((hop.from, hop.to), (counted.from, counted.to), "{}", stack.name);
        assert_eq!(hop.bytes.len() as u64, counted.bytes, "{}", stack.name);
        let shown = || format!("{}: {}", stack.name, hop.bytes.escape_ascii());
        let Some(parts) = stack.protocol.dissect(hop.leg(), &hop.bytes) else {
            // A protocol need not cut its bytes. Only the smallest one leaves that out.
            assert_eq!(stack.name, "dummy", "{}", shown());
            continue;
        };
        let sum = |layer| {
            let of_layer = parts.iter().filter(|part| part.layer == layer);
            of_layer.map(|part| part.len as u64).sum::<u64>()
        };
        let expected = counted.parts.unwrap();
        assert_eq!(
            Layer::ALL.map(sum),
            [expected.arguments, expected.envelope, expected.framing],
            "{}",
            shown()
        );
        assert!(parts.iter().all(|part| part.len > 0 && !part.meaning.is_empty()), "{}", shown());
    }
    captured
}
