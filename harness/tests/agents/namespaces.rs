//! A run across several hosts, which are network namespaces of this machine.

use std::process::{Command, Stdio};

use super::{assert_complete, folder, measured, merged, serve, together};
use crate::common::{finish, rpcbench};
use rpcbench::record;

/// Namespaces with a host's end of a bridge each, on addresses that are set aside for benchmarks (RFC 2544). They are
/// gone when this is.
struct Hosts {
    /// What tells them from all others.
    suffix: String,
    count: usize,
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip (of iproute2) cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

impl Hosts {
    /// Makes `count` hosts, all on one network: the first has the bridge.
    fn make(count: usize) -> Result<Self, String> {
        let suffix = format!("{:x}", std::process::id());
        let mut hosts = Hosts { suffix, count: 0 };
        for host in 0..count {
            ip(&["netns", "add", &hosts.name(host)])?;
            hosts.count += 1;
            ip(&["-n", &hosts.name(host), "link", "set", "lo", "up"])?;
        }
        let first = hosts.name(0);
        ip(&["-n", &first, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &first, "address", "add", &format!("{}/24", Hosts::address(0)), "dev", "bridge"])?;
        ip(&["-n", &first, "link", "set", "bridge", "up"])?;
        for host in 1..count {
            let (name, port) = (hosts.name(host), format!("port{host}"));
            // Made inside the namespaces, so that nothing of the machine's own network is touched.
            ip(&[
                "-n", &first, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name,
            ])?;
            ip(&["-n", &first, "link", "set", &port, "master", "bridge", "up"])?;
            ip(&["-n", &name, "address", "add", &format!("{}/24", Hosts::address(host)), "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        }
        Ok(hosts)
    }

    fn name(&self, host: usize) -> String {
        format!("rpcbench-{}-{host}", self.suffix)
    }

    fn address(host: usize) -> String {
        format!("198.18.77.{}", host + 1)
    }

    /// The program on one of the hosts.
    fn on(&self, host: usize, arguments: &[&str]) -> Command {
        let program = rpcbench(arguments);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // Interfaces end with the namespaces that they are in.
        for host in 0..self.count {
            if let Err(problem) = ip(&["netns", "delete", &self.name(host)]) {
                eprintln!("left behind: {problem}");
            }
        }
    }
}

#[test]
fn agents_on_two_hosts_measure_a_server_on_a_third() {
    // Written to standard error itself: what a test prints is only shown when it fails.
    let skip = |why: &str| {
        use std::io::Write;
        let _ =
            writeln!(std::io::stderr(), "skipped: agents_on_two_hosts_measure_a_server_on_a_third: {why}");
    };
    // Refused to users other than root, among others.
    let hosts = match Hosts::make(3) {
        Ok(hosts) => hosts,
        Err(why) => return skip(&why),
    };
    let folder = folder();
    let anywhere = format!("{}:0", Hosts::address(0));
    let start =
        |stack| serve(&mut hosts.on(0, &["serve", stack, "--listen", &anywhere, "--control", &anywhere]));
    let (_rest, rest, control) = start("rest-hyper");
    let (_zerorpc, zerorpc, _) = start("zerorpc");
    assert!(rest.contains("198.18.77.1:"), "{rest}");
    let ended = together(&mut || {
        let targets = [format!("rest-hyper={rest}"), format!("zerorpc={zerorpc}")];
        let agent = |host: usize| {
            let (number, out) = (format!("{host}/2"), format!("{host}.json"));
            let _ = std::fs::remove_file(folder.path().join(&out));
            let mut command = hosts.on(host, &["agent", "tiny.toml", "--blocks", "1"]);
            command.args(["--agent", &number, "--out", &out, "--clock", &control]);
            command.args(targets.iter().flat_map(|target| ["--target", target]));
            command.current_dir(folder.path());
            command
        };
        vec![agent(1), agent(2)]
    });
    measured(&ended);
    let said =
        finish(rpcbench(&["merge", "1.json", "2.json", "--out", "results"]).current_dir(folder.path()));
    assert!(matches!(said.status.code(), Some(0 | 4)), "{}", said.err.join("\n"));
    let merged = merged(&folder.path().join("results"));
    let parts = ["1.json", "2.json"].map(|name| record::read(&folder.path().join(name)).unwrap());
    assert_eq!(merged.trials.len(), 2 * 2);
    assert_complete(&merged, &parts);
    assert!(merged.stacks.iter().all(|stack| stack.target.as_ref().unwrap().contains("198.18.77.1:")));
    assert!(merged.agents.iter().all(|agent| agent.clock.as_ref().unwrap().name == control));
    assert!(said.out.join("\n").contains("by clocks known to"), "{}", said.out.join("\n"));
}
