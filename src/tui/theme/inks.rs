//! The colours of letters and lines, by role: of each a true colour, one of the 256, and one of the 16.
//!
//! Each has a contrast of at least 4.5 : 1 with the usual backgrounds of its kind, which a test computes. The sixteen
//! are the terminal's own; taken are those that the usual palettes show legibly on that kind of background.

use ratatui::style::Color;

use super::{Look, Rgb};

/// One colour at every depth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub rgb: Rgb,
    /// Of the 256 colours.
    pub index: u8,
    /// Of the 16.
    pub ansi: Color,
}

/// Colours by role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inks {
    pub dim: Ink,
    pub accent: Ink,
    pub train: Ink,
    pub held_out: Ink,
    pub good: Ink,
    pub warn: Ink,
    pub bad: Ink,
}

const fn ink(rgb: Rgb, index: u8, ansi: Color) -> Ink {
    Ink { rgb, index, ansi }
}

const DARK: Inks = Inks {
    dim: ink((154, 160, 170), 247, Color::Reset),
    accent: ink((97, 175, 239), 75, Color::LightCyan),
    train: ink((86, 182, 194), 73, Color::Cyan),
    held_out: ink((229, 192, 123), 180, Color::Yellow),
    good: ink((152, 195, 121), 114, Color::Green),
    warn: ink((229, 192, 123), 180, Color::Yellow),
    bad: ink((240, 140, 146), 210, Color::LightRed),
};
const LIGHT: Inks = Inks {
    dim: ink((92, 97, 106), 241, Color::Reset),
    accent: ink((20, 90, 190), 25, Color::Blue),
    train: ink((0, 105, 125), 23, Color::Blue),
    held_out: ink((145, 82, 0), 94, Color::Magenta),
    good: ink((35, 110, 35), 22, Color::Blue),
    warn: ink((145, 82, 0), 94, Color::Magenta),
    bad: ink((185, 35, 45), 124, Color::Red),
};
const BLIND_DARK: Inks = Inks {
    dim: DARK.dim,
    accent: ink((86, 180, 233), 75, Color::LightCyan),
    train: ink((86, 180, 233), 75, Color::Cyan),
    held_out: ink((230, 159, 0), 214, Color::Yellow),
    good: ink((86, 180, 233), 75, Color::Cyan),
    warn: ink((240, 228, 66), 227, Color::LightYellow),
    bad: ink((244, 140, 80), 209, Color::LightRed),
};
const BLIND_LIGHT: Inks = Inks {
    dim: LIGHT.dim,
    accent: ink((0, 90, 165), 25, Color::Blue),
    train: ink((0, 90, 165), 25, Color::Blue),
    held_out: ink((150, 82, 0), 94, Color::Magenta),
    good: ink((0, 90, 165), 25, Color::Blue),
    warn: ink((115, 95, 0), 58, Color::Magenta),
    bad: ink((180, 65, 0), 124, Color::Red),
};

pub(super) fn of(look: Look) -> &'static Inks {
    match look {
        Look::Plain | Look::Dark => &DARK,
        Look::Light => &LIGHT,
        Look::BlindDark => &BLIND_DARK,
        Look::BlindLight => &BLIND_LIGHT,
    }
}
