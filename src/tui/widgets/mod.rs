//! Pieces several tabs draw with.

pub(crate) mod braille;
pub(crate) mod canvas;
pub(crate) mod chart;
pub(crate) mod fit;
pub(crate) mod gauge;
pub(crate) mod image;
pub(crate) mod input;
pub(crate) mod popup;
pub(crate) mod sparkline;

use ratatui::text::Line;

use crate::text;

pub(crate) use fit::{cut, left, right, wrap_to};

/// A time span: `mm:ss`, or `h:mm:ss`.
#[must_use]
pub(crate) fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a saturating cast of a time that is not negative"
    )]
    let whole = seconds.max(0.0) as u64;
    match whole / 3600 {
        0 => format!("{:02}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// A line in the terminal's own letters where only ASCII may be shown.
#[must_use]
pub(crate) fn plain_if(ascii: bool, line: Line<'static>) -> Line<'static> {
    if !ascii {
        return line;
    }
    let style = line.style;
    let spans = line.spans.into_iter().map(|mut span| {
        let signs = span.content.chars().map(text::ascii_sign);
        span.content = signs.collect::<String>().into();
        span
    });
    Line::from(spans.collect::<Vec<_>>()).style(style)
}
