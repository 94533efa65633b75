//! Runs without a screen: a progress bar on a terminal, plain lines in a log, JSON lines for a program.
//!
//! Draws no boxes and reads no keys; whoever wants that opens a screen.

mod announcer;
mod bar;
mod follow;
mod follow_sweep;
mod json;
mod output;
mod pixels;
mod plain;
mod table;
mod terminal;

pub(crate) use bar::{Bar, draw as draw_bar, is_capable as can_draw_bar};
pub(crate) use follow::{Interrupt, follow, follow_group, play};
pub(crate) use follow_sweep::follow_sweep;
pub(crate) use json::Json;
pub(crate) use output::{Output, is_hung_up, notice, redraw_notice};
pub(crate) use pixels::Pixels;
pub(crate) use plain::Plain;
pub(crate) use table::Table;
pub(crate) use terminal::{Color, Tint, set_color};

use std::io::IsTerminal;

use crate::event::Observer;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object a line, as in the event log.
    Json,
    /// Lines, with a progress bar below them where standard output is a terminal.
    People,
}

/// The printer for standard output.
#[must_use]
pub(crate) fn printer(style: Style) -> Box<dyn Observer> {
    match style {
        Style::Json => Box::new(Json::new(Output::standard())),
        Style::People if can_draw_bar(std::io::stdout().is_terminal()) => {
            Box::new(Bar::new(Output::standard()))
        }
        Style::People => Box::new(Plain::new(Output::standard())),
    }
}
