//! Colours, sizes, and how each stack looks in every figure.
//!
//! Every mark has a name beside it, so that no figure depends on its colours.

use plotters::style::RGBColor;

use crate::report::stack::StackKind;

/// Width of every figure in pixels.
pub(super) const WIDTH: f64 = 900.0;
/// Mean width of a character of a sans-serif font as a share of the font size, rounded up for safety.
const CHARACTER_WIDTH: f64 = 0.57;

/// Font size of titles in pixels.
pub(super) const TITLE_SIZE: f64 = 17.0;
/// Font size of all other text in pixels.
pub(super) const TEXT_SIZE: f64 = 13.0;

pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub(super) const MUTED: RGBColor = RGBColor(0x5A, 0x64, 0x70);
pub(super) const GRID: RGBColor = RGBColor(0xE2, 0xE6, 0xEB);

/// The two hues of figures that show parts or stacks one at a time: blue and orange of Okabe and Ito's palette.
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const ORANGE: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// What is there to compare with.
pub(super) const CONTEXT: RGBColor = RGBColor(0xBF, 0xC6, 0xCE);

/// Shades for a difference from the usual, from a small one to a large one: of slower and of faster.
pub(super) const SLOWER: [RGBColor; 3] =
    [RGBColor(0xFB, 0xDC, 0xC2), RGBColor(0xF2, 0xA7, 0x6C), RGBColor(0xC4, 0x52, 0x00)];
pub(super) const FASTER: [RGBColor; 3] =
    [RGBColor(0xD0, 0xE4, 0xF3), RGBColor(0x86, 0xBA, 0xDF), RGBColor(0x0B, 0x5F, 0x99)];
/// The shade of what does not differ.
pub(super) const USUAL: RGBColor = RGBColor(0xEE, 0xF1, 0xF4);

/// The colours that replace those of paper, text, grid and marks without a protocol on a dark background.
const ON_DARK: [(RGBColor, RGBColor); 14] = [
    (PAPER, RGBColor(0x15, 0x19, 0x1E)),
    (INK, RGBColor(0xE6, 0xE9, 0xED)),
    (MUTED, RGBColor(0xA2, 0xAC, 0xB7)),
    (GRID, RGBColor(0x2F, 0x36, 0x3E)),
    (BLUE, RGBColor(0x5A, 0xB4, 0xEC)),
    (ORANGE, RGBColor(0xF5, 0x8A, 0x4B)),
    (CONTEXT, RGBColor(0x4A, 0x54, 0x5F)),
    (SLOWER[0], RGBColor(0x4A, 0x30, 0x1B)),
    (SLOWER[1], RGBColor(0x98, 0x56, 0x1F)),
    (SLOWER[2], RGBColor(0xFF, 0xA0, 0x5F)),
    (FASTER[0], RGBColor(0x19, 0x36, 0x4D)),
    (FASTER[1], RGBColor(0x2E, 0x6E, 0xA0)),
    (FASTER[2], RGBColor(0x7D, 0xC5, 0xF6)),
    (USUAL, RGBColor(0x24, 0x2B, 0x33)),
];

/// CSS rules that turn the figures in `drawn` dark, to be put into a media query: those for the colours that occur there.
pub(in crate::report) fn dark_rules(drawn: &str) -> String {
    let of_stacks = StackKind::colours().into_iter().map(|colour| (rgb(colour.light), rgb(colour.dark)));
    let rule = |(RGBColor(r, g, b), RGBColor(dr, dg, db)): (RGBColor, RGBColor)| {
        format!(
            ".plot [fill=\"#{r:02X}{g:02X}{b:02X}\"]{{fill:#{dr:02x}{dg:02x}{db:02x}}}\
             .plot [stroke=\"#{r:02X}{g:02X}{b:02X}\"]{{stroke:#{dr:02x}{dg:02x}{db:02x}}}\n"
        )
    };
    let occurs = |(RGBColor(r, g, b), _): &(RGBColor, RGBColor)| {
        drawn.contains(&format!("\"#{r:02X}{g:02X}{b:02X}\""))
    };
    ON_DARK.into_iter().chain(of_stacks).filter(occurs).map(rule).collect()
}

fn rgb([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

/// How a stack looks in every figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// The colour of its protocol.
    pub colour: RGBColor,
    /// Whether it is drawn filled and solid, and not hollow and dashed.
    pub is_filled: bool,
}

impl Look {
    pub(super) fn of(kind: StackKind) -> Self {
        Look { colour: rgb(kind.colour().light), is_filled: kind.is_drawn_filled() }
    }

    /// The look of a mark that stands for no protocol.
    pub(super) fn neutral(is_filled: bool) -> Self {
        Look { colour: INK, is_filled }
    }

    /// The opacity of a bar.
    pub(super) fn opacity(self) -> f64 {
        if self.is_filled { 1.0 } else { 0.6 }
    }
}

/// The mark beside the name of a stack in a table: the dot that it has in figures.
pub(in crate::report) fn swatch(kind: StackKind) -> String {
    let Look { colour: RGBColor(r, g, b), is_filled } = Look::of(kind);
    let colour = format!("#{r:02X}{g:02X}{b:02X}");
    let fill = if is_filled { &colour } else { "none" };
    format!(
        "<svg class=\"plot swatch\" aria-hidden=\"true\" width=\"11\" height=\"11\" viewBox=\"0 0 11 11\">\
         <circle cx=\"5.5\" cy=\"5.5\" r=\"4\" stroke-width=\"2\" fill=\"{fill}\" stroke=\"{colour}\"/></svg>"
    )
}

/// The approximate width of `text` in pixels, at a font size of `size`.
#[allow(clippy::cast_precision_loss)]
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_WIDTH
}

/// Truncates `text` with an ellipsis if it is wider than about `max_width` pixels.
pub(super) fn fitted(text: &str, size: f64, max_width: f64) -> String {
    if width(text, size) <= max_width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width(&cut, size) + 2.0 * size * CHARACTER_WIDTH > max_width {
            break;
        }
        cut.push(character);
    }
    cut.trim_end().to_owned() + "…"
}
