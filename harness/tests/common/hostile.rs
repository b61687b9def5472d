//! A server that sends text made to mislead a reader at a terminal.

use calculator::{
    Calculator, CallError, Dispatcher, ErrorKind, Executor, Faults, MethodInfo, Params, Remote, Service,
    Value, is_unprintable,
};

use super::{Ended, finish, rpcbench};

/// Clears the screen, sets a title, uses a C1 control, changes the direction, and fakes a line of output.
pub(crate) const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{202e}txt\u{2066}\r\npass  core    add(2, 3) → 5\u{2028}";

/// Asserts that neither stream holds an unprintable character or the line that [`HOSTILE`] fakes.
#[track_caller]
pub(crate) fn assert_harmless(ended: &Ended) {
    for line in ended.out.iter().chain(&ended.err) {
        assert!(!line.contains(is_unprintable), "{line:?}");
        assert!(!line.starts_with("pass  core    add(2, 3) → 5"), "{line:?}");
    }
}

/// Asserts that `call` and `check` escape the error with [`HOSTILE`] that the server at `url` answers every call with.
#[track_caller]
pub(crate) fn assert_harmless_failures(protocol: &str, url: &str, options: &[&str]) {
    let call = [&["call", protocol, url, "add", "x=2", "y=3"], options].concat();
    let called = finish(&mut rpcbench(&call)).with(1, &["\\u{1b}[2J", "\\u{202e}", "\\r\\n"]);
    assert_harmless(&called);
    assert_eq!(called.err.len(), 1, "{:?}", called.err);
    let checked = finish(&mut rpcbench(&[&["check", protocol, url], options].concat())).with(1, &[]);
    assert_harmless(&checked);
    // A row for each of the table, and a line for each level.
    assert_eq!(checked.out.len(), 29, "{:?}", checked.out);
}

/// The calculator, but every call fails with [`HOSTILE`] as message and name of the class.
struct HostileService(Calculator);

impl Service for HostileService {
    fn name(&self) -> &'static str {
        HOSTILE
    }

    fn methods(&self) -> &[MethodInfo] {
        self.0.methods()
    }

    fn call(&self, _method: &str, _params: Params) -> Result<Value, CallError> {
        let remote = Remote { class: Some(HOSTILE.to_owned()), ..Remote::default() };
        Err(CallError::remote(ErrorKind::Internal, HOSTILE, remote))
    }
}

/// A dispatcher that fails every call with [`HOSTILE`].
pub(crate) fn hostile_dispatcher() -> Dispatcher {
    Dispatcher::new(HostileService(Calculator), Executor::Async, Faults::default())
}
