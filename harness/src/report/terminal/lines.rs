//! Lines of text that fit a terminal, each with what it is.

use std::fmt;

use calculator::printable;
use textwrap::{Options, WordSeparator, WordSplitter};

/// What a line is, from which a terminal derives its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Figures and sentences.
    Plain,
    /// The title of a report or of a table.
    Title,
    /// Headings of columns, and remarks.
    Muted,
    /// What to know before reading any figure, or a claim that holds in part.
    Caution,
    /// A claim that holds.
    Good,
    /// A claim that does not hold.
    Bad,
}

/// The number of columns below which text gets no narrower: no table could be read there.
const MIN_WIDTH: usize = 40;

/// Lines of text that are no wider than a given number of columns, as far as the numbers of a table allow that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    width: Option<usize>,
    lines: Vec<(Tone, String)>,
}

impl Text {
    /// No lines yet. Without `width`, a number of columns, each line is as wide as what it says; widths below 40 columns count as
    /// 40.
    #[must_use]
    pub fn new(width: Option<usize>) -> Self {
        Text { width: width.map(|width| width.max(MIN_WIDTH)), lines: Vec::new() }
    }

    /// How many columns a line may have; absent where there is no limit.
    pub(in crate::report) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Appends `text`, whatever it holds: names in a record may come from anywhere. Where it is wider than a line, the lines
    /// that follow its first one are indented.
    pub(in crate::report) fn line(&mut self, tone: Tone, text: &str) {
        let text = glued(&printable(text));
        let Some(width) = self.width else {
            self.lines.push((tone, unglued(&text)));
            return;
        };
        let first = &text[..text.len() - text.trim_start_matches(' ').len()];
        let next = format!("{first}  ");
        let options = Options::new(width)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .initial_indent(first)
            .subsequent_indent(&next);
        let wrapped = textwrap::wrap(text.trim_start_matches(' '), options);
        self.lines.extend(wrapped.iter().map(|line| (tone, unglued(line))));
    }

    /// Appends a line that fits and can be shown as it is.
    pub(in crate::report) fn fitting(&mut self, tone: Tone, line: &str) {
        self.lines.push((tone, line.to_owned()));
    }

    /// Appends an empty line.
    pub(in crate::report) fn blank(&mut self) {
        self.fitting(Tone::Plain, "");
    }

    /// The lines, each with what it is. None holds a character that a terminal would take for a command.
    pub fn lines(&self) -> impl Iterator<Item = (Tone, &str)> {
        self.lines.iter().map(|(tone, line)| (*tone, line.as_str()))
    }
}

/// All lines without colours.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|(_, line)| writeln!(f, "{line}"))
    }
}

/// A space at which no line ends.
const NO_BREAK_SPACE: char = '\u{a0}';
/// What belongs to the number before it.
const UNITS: [&str; 8] = ["%", "×", "µs", "ms", "s", "bytes", "KiB", "MiB"];

/// `text` in which a number and its sign or unit are not separated by the end of a line.
pub(super) fn glued(text: &str) -> String {
    let mut glued = String::with_capacity(text.len());
    for word in text.split(' ') {
        let unit = word.trim_end_matches([',', '.', ';', ':', ')']);
        let is_unit = glued.ends_with(|last: char| last.is_ascii_digit()) && UNITS.contains(&unit);
        let has_sign = glued.ends_with(['≥', '≤', '≈', '×']);
        if is_unit || has_sign {
            glued.push(NO_BREAK_SPACE);
        } else if word.as_ptr() != text.as_ptr() {
            glued.push(' ');
        }
        glued.push_str(word);
    }
    glued
}

/// `text` with usual spaces.
pub(super) fn unglued(text: &str) -> String {
    text.replace(NO_BREAK_SPACE, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, line: &str) -> Vec<String> {
        let mut text = Text::new(Some(width));
        text.line(Tone::Plain, line);
        text.lines().map(|(_, line)| line.to_owned()).collect()
    }

    #[test]
    fn a_line_that_is_too_wide_goes_on_indented_and_keeps_its_words() {
        let line = "! all figures are of zerorpc-zeromq without TLS, as of now";
        assert_eq!(wrapped(40, line), ["! all figures are of zerorpc-zeromq", "  without TLS, as of now"]);
        assert_eq!(wrapped(80, line), [line]);
        assert_eq!(wrapped(40, " \u{1b}[31mδ").concat(), " \\u{1b}[31mδ");
    }

    #[test]
    fn a_number_stays_beside_its_sign_and_unit() {
        let text = " faster by 7.7 % (6.3–8.8 %), ≥ 2.0 × zerorpc, 18.7 µs. 100 KiB in ms";
        assert_eq!(unglued(&glued(text)), text);
        let words: Vec<_> = glued(text).split(' ').map(unglued).collect();
        let expected = [
            "",
            "faster",
            "by",
            "7.7 %",
            "(6.3–8.8 %),",
            "≥ 2.0 × zerorpc,",
            "18.7 µs.",
            "100 KiB",
            "in",
            "ms",
        ];
        assert_eq!(words, expected);
        assert_eq!(glued(""), "");
    }

    #[test]
    fn no_width_is_too_small_to_read() {
        assert_eq!(wrapped(0, "one two"), ["one two"]);
        // A word of a hundred letters.
        assert_eq!(wrapped(1, &"x".repeat(100)).len(), 3);
    }
}
