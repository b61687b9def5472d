//! The private broker: it starts, accepts connections, and leaves nothing behind however the harness ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amqp::TransportUrl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};

/// The timeout of the broker's end. It exceeds the time after which the guard kills the broker.
const EXIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The processes whose environment contains `folder`: the broker, its port mapper and their child processes.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter(|process| {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            environment.windows(needle.len()).any(|window| window == needle)
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Waits until `condition` holds. `description` completes "waiting until" in the failure message.
fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < EXIT_TIMEOUT, "still waiting after {EXIT_TIMEOUT:?} until {description}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_broker_accepts_connections_and_leaves_nothing_behind() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let folder = broker.folder().to_owned();
    let url: TransportUrl = broker.url().parse().unwrap();
    let connection = url.connect("test", Duration::from_secs(10)).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();

    let password = broker.url().split(['@', ':']).nth(2).unwrap().to_owned();
    assert_eq!(password.len(), 32);
    assert!(!format!("{broker:?}{}", broker.public_url()).contains(&password));
    let guest: TransportUrl = broker.public_url().parse().unwrap();
    assert!(guest.connect("test", Duration::from_secs(10)).await.is_err(), "guest can log in");

    assert!(processes_of(&folder).len() >= 2);
    for process in processes_of(&folder) {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(&password), "the password is visible in ps");
    }
    let logs = std::fs::read_dir(folder.join("log")).unwrap();
    for log in logs.map(|log| std::fs::read_to_string(log.unwrap().path()).unwrap()) {
        assert!(!log.contains(&password), "the password is in the log");
    }

    broker.stop().unwrap();
    assert!(!folder.exists());
    assert_eq!(processes_of(&folder), Vec::<String>::new());
}

/// Set in the process that runs [`hold_a_broker_until_killed`].
const HOLD_A_BROKER: &str = "RPCBENCH_TEST_HOLD_A_BROKER";

/// Not a separate test: the next test runs it in a child process, which it kills. It holds a broker until then.
#[test]
fn hold_a_broker_until_killed() {
    if std::env::var_os(HOLD_A_BROKER).is_none() {
        return;
    }
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    println!("\n{FOLDER_PREFIX}{}", broker.folder().display());
    loop {
        std::thread::park();
    }
}

/// The prefix of the line that names the broker's folder.
const FOLDER_PREFIX: &str = "folder of the broker: ";

#[test]
fn a_broker_does_not_outlive_a_harness_that_is_killed_or_interrupted() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let mut harness = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hold_a_broker_until_killed", "--nocapture"])
            .env(HOLD_A_BROKER, "yes")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(harness.stdout.take().unwrap()).lines();
        let folder = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(FOLDER_PREFIX).map(PathBuf::from))
            .expect("the broker starts");
        assert!(folder.exists() && processes_of(&folder).len() >= 2);

        // To the whole process group, as Ctrl-C in a terminal.
        let group = Pid::from_raw(harness.id().try_into().unwrap());
        killpg(group, signal).unwrap();
        assert!(!harness.wait().unwrap().success());
        wait_until("the folder is removed", || !folder.exists());
        wait_until("its processes have ended", || processes_of(&folder).is_empty());
    }
}

#[tokio::test]
async fn a_broker_that_was_killed_starts_again_at_the_same_address_only_when_it_is_asked_to() {
    let mut broker = PrivateBroker::start_restartable(BrokerKind::RabbitMq, &[]).unwrap();
    let (url, pid) = (broker.url().to_owned(), broker.pid());
    let address: TransportUrl = url.parse().unwrap();
    broker.kill().unwrap();
    assert!(address.connect("test", Duration::from_secs(10)).await.is_err());
    // It stays away: its guard waits.
    assert!(broker.is_running());
    broker.start_again().unwrap();
    assert_eq!(broker.url(), url);
    assert_ne!(broker.pid(), pid);
    let connection = address.connect("test", Duration::from_secs(10)).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    let folder = broker.folder().to_owned();
    broker.stop().unwrap();
    wait_until("its processes have ended", || processes_of(&folder).is_empty());
}
