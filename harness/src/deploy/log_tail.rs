//! The last lines that a process has printed.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Number of lines that are kept to explain a failure.
const MAX_LINES: usize = 12;
/// A longer line is kept as several.
const MAX_LINE_BYTES: u64 = 4096;

/// The last lines that a process has printed on a stream, which a thread reads to its end: a process whose output is not
/// read would be held up.
#[derive(Debug)]
pub(super) struct LogTail {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Disconnected at the end of the stream.
    ended: Mutex<Receiver<()>>,
}

impl LogTail {
    /// Starts to read `stream`, and keeps the lines of which `is_kept` is true.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn read(
        stream: impl Read + Send + 'static,
        mut is_kept: impl FnMut(&str) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Arc::<Mutex<VecDeque<String>>>::default();
        let (at_end, ended) = mpsc::channel();
        let kept = Arc::clone(&lines);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            let _at_end = at_end;
            let mut stream = BufReader::new(stream);
            while let Some(line) = next_line(&mut stream).filter(|line| !line.is_empty()) {
                let line = String::from_utf8_lossy(&line);
                let line = line.strip_suffix('\n').unwrap_or(&line);
                if !is_kept(line) {
                    continue;
                }
                let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == MAX_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.to_owned());
            }
        })?;
        Ok(LogTail { lines, ended: Mutex::new(ended) })
    }

    /// The last lines so far.
    pub(super) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The last lines of all, if the stream ends within `timeout`.
    pub(super) fn text_at_end(&self, timeout: Duration) -> String {
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(timeout);
        self.text()
    }
}

/// The next line with its end, or a part of a long one; empty at the end, `None` where reading fails.
fn next_line(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = vec![];
    stream.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).ok().map(|_| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Duration = Duration::from_secs(60);

    #[test]
    fn the_last_lines_are_kept() {
        let printed: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        let log = LogTail::read(io::Cursor::new(printed), |line| line != "line 15").unwrap();
        let kept: Vec<_> =
            (8..=20).filter(|number| *number != 15).map(|number| format!("line {number}")).collect();
        assert_eq!(log.text_at_end(END), kept.join("\n"));
    }

    #[test]
    fn what_is_not_text_and_has_no_end_is_read_in_bounded_memory() {
        let log = LogTail::read(io::repeat(0xff).take(1 << 24), |_| true).unwrap();
        let text = log.text_at_end(END);
        assert_eq!(text.chars().filter(|c| *c == '\u{fffd}').count(), MAX_LINES * 4096);
        assert_eq!(text.lines().count(), MAX_LINES);
    }
}
