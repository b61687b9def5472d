//! The command `call` with any service of gRPC, by server reflection.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use common::{Process, finish, rpcbench};

#[test]
fn a_method_of_any_service_is_called_as_the_server_describes_it() {
    let server = Process::start(&mut rpcbench(&["serve", "grpc"]));
    let url = server.url();
    let call = |arguments: &[&str]| finish(rpcbench(&["call", "grpc", &url]).args(arguments));
    assert_eq!(
        call(&["rpcbench.Calculator/Add", r#"{"x": {"int": 2}, "y": {"int": 3}}"#]).with(0, &[]).out,
        [r#"{"int": "5"}"#]
    );
    assert_eq!(
        call(&["grpc.health.v1.Health/Check", "service=rpcbench.Calculator"]).with(0, &[]).out,
        [r#"{"status": "SERVING"}"#]
    );
    call(&["rpcbench.Calculator/Nosuch"]).with(1, &["unknown-method"]);
    call(&["rpcbench.Calculator/Add", "2", "3"]).with(1, &["invalid-arguments", "rpcbench.AddRequest"]);
    let divide = r#"{"x": {"int": 1}, "y": {"int": 0}}"#;
    call(&["rpcbench.Calculator/Divide", divide]).with(1, &["zero-division"]);

    let counted = call(&["rpcbench.Calculator/Count", r#"{"limit": {"int": 2}}"#]).with(0, &[]).out;
    assert_eq!(counted, [r#"{"int": "0"}"#, r#"{"int": "1"}"#]);
    let listed = call(&[]).with(0, &[]).out.join("\n");
    assert!(
        listed.contains("rpcbench.Calculator/Add") && listed.contains("AddRequest returns Value"),
        "{listed}"
    );
}

#[test]
fn the_methods_of_another_service_are_served_too() {
    let server = Process::start(&mut rpcbench(&["serve", "grpc", "--service", "time"]));
    let url = server.url();
    let called = finish(&mut rpcbench(&["call", "grpc", &url, "strftime", "%Y"])).with(0, &[]);
    assert!(called.out[0].starts_with("\"20"), "{:?}", called.out);
    let listed = finish(&mut rpcbench(&["call", "grpc", &url])).with(0, &[]).out.join("\n");
    assert!(listed.contains("rpcbench.Calculator/Strftime"), "{listed}");
}
