//! Runs over other transports than TCP, whose servers the run starts.

use rpcbench::record::{CountedBy, Record, Status};

use crate::Run;
use crate::common::{finish, rpcbench};

/// Asserts that the folder for temporary files is empty.
#[track_caller]
fn leaves_no_socket(run: &Run) {
    let left: Vec<_> = std::fs::read_dir(run.folder.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Asserts that `stack` has passed the conformance table and has valid trials in `record`.
#[track_caller]
fn is_measured(record: &Record, stack: &str) {
    let check = record.checks.iter().find(|check| check.stack == stack).unwrap();
    assert!(check.core_passed > 0 && check.core_failures().next().is_none(), "{stack}: {check:?}");
    let trials: Vec<_> = record.trials.iter().filter(|trial| trial.stack == stack).collect();
    assert!(!trials.is_empty(), "{stack}");
    for trial in trials {
        assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{stack}");
        assert!(trial.counts.right > 0, "{stack}: {:?}", trial.counts);
    }
}

#[test]
fn every_direct_protocol_is_checked_counted_and_measured_over_a_unix_socket() {
    let stacks = [
        "tcp",
        "rest",
        "rest-hyper",
        "rest-bare",
        "xmlrpc-hyper",
        "xmlrpc-bare",
        "jsonrpc-hyper",
        "jsonrpc-bare",
        "jsonrpc-lines",
        "jsonrpc-ws",
        "zerorpc",
        "zerorpc-zeromq",
        "grpc",
        "grpc-h2",
    ];
    let run = Run::of(&stacks, 1, "150ms");
    finish(&mut run.command(&["--transport", "tcp,unix"])).with(0, &[]);
    let record = run.record();
    for stack in stacks {
        let over_unix = format!("{stack}+unix");
        is_measured(&record, &over_unix);
        let wire = |name: &str| record.wire.iter().find(|wire| wire.stack == name);
        let Some(counted) = wire(&over_unix) else {
            // The library owns the sockets of both ends.
            assert_eq!(stack, "zerorpc-zeromq");
            continue;
        };
        assert_ne!(counted.counted_by, CountedBy::Kernel, "{stack}");
        assert!(counted.exact, "{stack}: {counted:?}");
        // HTTP names the host in each request, which is shorter over a Unix socket: the replies are the same.
        assert_eq!(counted.per_call.down, wire(stack).unwrap().per_call.down, "{stack}");
    }
    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    assert!(report.contains("over a Unix socket, as a multiple of that over TCP: "), "{report}");
    leaves_no_socket(&run);
}

#[test]
fn json_rpc_in_lines_is_checked_counted_and_measured_over_pipes() {
    let run = Run::of(&["jsonrpc-lines"], 3, "150ms");
    finish(&mut run.command(&["--transport", "tcp,stdio", "--load", "closed:4"])).with(0, &[]);
    let record = run.record();
    is_measured(&record, "jsonrpc-lines+stdio");
    let wire = |name: &str| record.wire.iter().find(|wire| wire.stack == name).unwrap();
    let counted = wire("jsonrpc-lines+stdio");
    assert_eq!((counted.counted_by, counted.exact), (CountedBy::Stream, true));
    assert_eq!(counted.per_call, wire("jsonrpc-lines").per_call);
    leaves_no_socket(&run);
}

#[test]
fn every_protocol_with_tls_is_checked_counted_and_measured_over_it() {
    let stacks = [
        "rest",
        "rest-hyper",
        "rest-bare",
        "xmlrpc-hyper",
        "jsonrpc-hyper",
        "jsonrpc-lines",
        "jsonrpc-ws",
        "grpc",
        "grpc-h2",
        "thrift",
    ];
    let run = Run::of(&stacks, 1, "150ms");
    finish(&mut run.command(&["--transport", "tcp,tls"])).with(0, &[]);
    let record = run.record();
    for stack in stacks {
        let over_tls = format!("{stack}+tls");
        is_measured(&record, &over_tls);
        let fairness = record.fairness.iter().find(|facts| facts.stack == over_tls).unwrap();
        assert_eq!(
            fairness.encryption,
            "TLS 1.3 with AES-128-GCM, certificate checked by an authority of the run"
        );
        let plain = record.fairness.iter().find(|facts| facts.stack == stack).unwrap();
        assert_eq!(plain.encryption, "none");
        let wire = |name: &str| record.wire.iter().find(|wire| wire.stack == name).unwrap();
        let (encrypted, plain) = (wire(&over_tls), wire(stack));
        assert!(encrypted.exact && encrypted.counted_by == CountedBy::Kernel, "{stack}: {encrypted:?}");
        // Each record of TLS 1.3 has five bytes of header, sixteen of the tag, and one for its type (RFC 8446, section 5.2).
        for (encrypted, plain) in
            [(encrypted.per_call.up, plain.per_call.up), (encrypted.per_call.down, plain.per_call.down)]
        {
            let overhead = encrypted - plain;
            assert!(overhead >= 22.0 && overhead % 22.0 == 0.0, "{stack}: {overhead} bytes");
        }
        // The handshake carries the certificate.
        assert!(encrypted.setup.down > plain.setup.down + 500.0, "{stack}: {encrypted:?}");
    }
    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    assert!(report.contains("over TLS, as a multiple of that over TCP: "), "{report}");
    assert!(!std::fs::read_to_string(run.results().join("record.json")).unwrap().contains("PRIVATE KEY"));
}

#[test]
fn rest_and_json_rpc_are_checked_counted_and_measured_over_http_2() {
    let stacks = ["rest-hyper", "jsonrpc-hyper"];
    let run = Run::of(&stacks, 1, "150ms");
    finish(&mut run.command(&["--transport", "tcp,h2,h2-tls"])).with(0, &[]);
    let record = run.record();
    for stack in stacks {
        let [over_h2, over_tls] = ["h2", "h2-tls"].map(|transport| format!("{stack}+{transport}"));
        is_measured(&record, &over_h2);
        is_measured(&record, &over_tls);
        let http =
            |name: &str| record.fairness.iter().find(|facts| facts.stack == name).unwrap().http.clone();
        assert_eq!((http(stack).as_deref(), http(&over_h2).as_deref()), (Some("HTTP/1.1"), Some("HTTP/2.0")));
        let up = |name: &str| record.wire.iter().find(|wire| wire.stack == name).unwrap().per_call.up;
        // Headers that were sent before take a byte each.
        assert!(up(&over_h2) < up(stack), "{stack}: {} and {}", up(&over_h2), up(stack));
        assert_eq!(http(&over_tls).as_deref(), Some("HTTP/2.0"));
        let encryption =
            |name: &str| &record.fairness.iter().find(|facts| facts.stack == name).unwrap().encryption;
        assert_eq!(
            (encryption(&over_h2).as_str(), encryption(&over_tls).starts_with("TLS 1.3")),
            ("none", true)
        );
        // A record of TLS 1.3 adds 22 bytes (RFC 8446, section 5.2).
        let overhead = up(&over_tls) - up(&over_h2);
        assert!(overhead >= 22.0 && overhead % 22.0 == 0.0, "{stack}: {overhead} bytes");
    }
}

#[test]
fn amqp_is_measured_over_tls_where_its_private_broker_accepts_that() {
    let run = Run::of(&["amqp", "amqp+tls", "amqp-bare+tls"], 1, "100ms");
    finish(&mut run.command(&["--require", "amqp,amqp+tls,amqp-bare+tls"])).with(0, &[]);
    let record = run.record();
    for stack in ["amqp", "amqp+tls", "amqp-bare+tls"] {
        is_measured(&record, stack);
    }
    let encryption =
        |name: &str| record.fairness.iter().find(|facts| facts.stack == name).unwrap().encryption.clone();
    assert_eq!(encryption("amqp"), "none");
    assert_eq!(
        encryption("amqp+tls"),
        "TLS 1.3 with AES-128-GCM, certificate checked by an authority of the run"
    );
    let wire = |name: &str| record.wire.iter().find(|wire| wire.stack == name).unwrap();
    let (encrypted, plain) = (wire("amqp+tls"), wire("amqp"));
    assert_eq!(encrypted.hops.len(), 4);
    for (encrypted, plain) in encrypted.hops.iter().zip(&plain.hops) {
        assert!(encrypted.bytes >= plain.bytes + 22, "{encrypted:?} {plain:?}");
    }
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
    let other = ["--stack", "amqp+tls", "--broker", "amqp://guest:secret@127.0.0.1:1/", "--out", "other"];
    let refused =
        finish(run.command_with(&["run", "tiny.toml"]).args(other)).with(2, &["amqp+tls", "`amqp`"]);
    assert!(!refused.err.join("\n").contains("secret"));
}

#[test]
fn a_handshake_that_resumes_a_session_carries_no_certificate() {
    let stacks = ["rest-hyper", "rest-bare", "jsonrpc-ws", "jsonrpc-lines", "grpc-h2"];
    let run = Run::of(&stacks, 1, "150ms");
    finish(&mut run.command(&["--transport", "tls,tls-resumed"])).with(0, &[]);
    let record = run.record();
    for stack in stacks {
        let [whole, resumed] = ["tls", "tls-resumed"].map(|transport| {
            let name = format!("{stack}+{transport}");
            is_measured(&record, &name);
            record.wire.iter().find(|wire| wire.stack == name).unwrap()
        });
        assert_eq!(resumed.per_call, whole.per_call, "{stack}");
        assert!(resumed.setup.down + 300.0 < whole.setup.down, "{stack}: {resumed:?} {whole:?}");
    }
}

#[test]
fn a_server_over_a_unix_socket_or_pipes_is_found_again_after_it_was_killed() {
    let run = Run::of(&["rest-hyper+unix", "zerorpc+unix", "jsonrpc-lines+stdio"], 1, "100ms");
    run.change_scenario(|text| {
        let (head, _) = text.split_once("[[measurement]]").unwrap();
        let mut scenario = format!(
            "timeout = \"60s\"\nfloors = false\n{head}\n[[timeline]]\nname = \"away\"\noperation = \"add\"\n\
             load = \"open:50:constant\"\nplacement = \"free\"\nlength = \"2s\"\nconnections = 2\n"
        );
        for (at, action) in [
            ("200ms", "kill-server"),
            ("400ms", "start-server"),
            ("700ms", "stop-server"),
            ("900ms", "start-server"),
        ] {
            scenario += &format!("[[timeline.event]]\nat = \"{at}\"\naction = \"{action}\"\n");
        }
        scenario
    });
    finish(&mut run.command(&[])).with(0, &[]);
    let record = run.record();
    assert_eq!(record.timelines.len(), 3);
    for timeline in &record.timelines {
        let last = timeline.bins.last().unwrap();
        assert_eq!((timeline.status, &timeline.complaint), (Status::Valid, &None), "{}", timeline.stack);
        assert!(last.right > 0 && last.right == last.scheduled, "{}: {last:?}", timeline.stack);
    }
    leaves_no_socket(&run);
}

#[test]
fn what_cannot_be_measured_over_a_transport_is_refused_in_one_line() {
    let run = Run::of(&["rest", "amqp", "rest-python"], 1, "150ms");
    let refused = |arguments: &[&str], words: &[&str]| {
        let ended = finish(&mut run.command(arguments)).with(2, words);
        assert_eq!(ended.err.len(), 1, "{:?}", ended.err);
    };
    refused(&["--transport", "unix"], &["--transport unix: amqp, rest-python have no such transport"]);
    refused(
        &["--stack", "rest", "--transport", "unix", "--target", "rest=http://127.0.0.1:1/"],
        &["--transport", "says its transport"],
    );
    refused(&["--target", "rest+unix=http://127.0.0.1:1/"], &["an address says its transport", "`rest`"]);
    refused(&["--stack", "amqp+unix"], &["`amqp` has no transport `unix`"]);
    refused(&["--stack", "zerorpc+tls"], &["`zerorpc` has no transport `tls`; it has tcp, unix"]);
    finish(&mut run.command(&["--transport", "unux"]))
        .with(2, &["unknown transport", "did you mean `unix`?"]);
    for arguments in [
        &["serve", "rest+unix"][..],
        &["call", "rest+unix", "http://127.0.0.1:1/", "add"],
        &["check", "rest+unix", "http://127.0.0.1:1/"],
    ] {
        finish(&mut rpcbench(arguments)).with(2, &["an address says its transport; name the stack `rest`"]);
    }
    let agent = ["agent", "--out", "x", "--target", "rest+unix=http://127.0.0.1:1/"];
    finish(&mut rpcbench(&agent)).with(2, &["an address says its transport"]);
}
