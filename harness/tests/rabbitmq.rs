//! The private broker, for real: it starts, answers, and leaves nothing behind however the harness ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amqp::TransportUrl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rpcbench::deploy::rabbitmq::PrivateBroker;

/// Longer than a guard gives its broker before it kills it.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// The processes whose environment names `folder`: the broker, its port mapper, and whatever they started.
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

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < GONE_WITHIN, "still waiting after {GONE_WITHIN:?} until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_broker_starts_answers_and_leaves_nothing_behind() {
    let broker = PrivateBroker::start(&[]).unwrap();
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

const PLAY_THE_HARNESS: &str = "RPCBENCH_TEST_HOLD_A_BROKER";

/// Not a test of its own: the process that the next test starts and kills. It holds a broker until then.
#[test]
fn plays_the_harness_when_told_to() {
    if std::env::var_os(PLAY_THE_HARNESS).is_none() {
        return;
    }
    let broker = PrivateBroker::start(&[]).unwrap();
    println!("\n{MARK}{}", broker.folder().display());
    loop {
        std::thread::park();
    }
}

const MARK: &str = "folder of the broker: ";

#[test]
fn a_broker_does_not_outlive_a_harness_that_is_killed_or_interrupted() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let mut harness = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plays_the_harness_when_told_to", "--nocapture"])
            .env(PLAY_THE_HARNESS, "yes")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(harness.stdout.take().unwrap()).lines();
        let folder = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(MARK).map(PathBuf::from))
            .expect("the broker starts");
        assert!(folder.exists() && processes_of(&folder).len() >= 2);

        // The whole group, as a terminal's Ctrl-C does.
        let group = Pid::from_raw(harness.id().try_into().unwrap());
        killpg(group, signal).unwrap();
        assert!(!harness.wait().unwrap().success());
        wait_until("the folder is gone", || !folder.exists());
        wait_until("its processes are gone", || processes_of(&folder).is_empty());
    }
}
