//! The colours of heat maps: from nearly the background to full, evenly in lightness, the diagonal in a hue of its own.
//!
//! On dark backgrounds they rise in lightness, on light ones they fall; which a test computes, together with the
//! contrast of the numbers. The 256 colours are chosen one by one: the nearest to a true colour's ramp would jump
//! between hues and greys.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "levels and channels are small"
)]

use ratatui::style::Color;

use super::{Heat, Look, Rgb};

/// Levels in true colour.
pub(super) const LEVELS: usize = 32;

/// One ramp at both depths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    /// Colours at even distances; between them it is linear.
    anchors: [Rgb; 6],
    /// Of the 256 colours.
    pub indices: &'static [u8],
}

const DARK_BAD: Ramp = Ramp {
    anchors: [
        (80, 34, 34),
        (135, 48, 47),
        (190, 66, 62),
        (230, 97, 79),
        (244, 136, 103),
        (250, 176, 139),
    ],
    indices: &[52, 88, 124, 160, 166, 202, 208, 215],
};
const DARK_GOOD: Ramp = Ramp {
    anchors: [
        (22, 54, 41),
        (33, 90, 63),
        (58, 127, 87),
        (90, 165, 112),
        (126, 199, 131),
        (167, 225, 147),
    ],
    indices: &[22, 29, 72, 78, 121],
};
const LIGHT_BAD: Ramp = Ramp {
    anchors: [
        (255, 233, 231),
        (255, 195, 192),
        (251, 152, 146),
        (238, 106, 97),
        (198, 70, 62),
        (140, 50, 42),
    ],
    indices: &[224, 217, 210, 203, 196, 160, 124, 88],
};
const LIGHT_GOOD: Ramp = Ramp {
    anchors: [
        (223, 246, 233),
        (172, 224, 192),
        (128, 197, 152),
        (91, 162, 116),
        (62, 124, 84),
        (39, 87, 59),
    ],
    indices: &[158, 115, 72, 29, 22],
};
const BLIND_DARK_BAD: Ramp = Ramp {
    anchors: [
        (68, 43, 21),
        (112, 67, 30),
        (156, 94, 41),
        (199, 121, 47),
        (235, 153, 57),
        (255, 193, 88),
    ],
    indices: &[52, 94, 130, 166, 172, 208, 214, 222],
};
const BLIND_DARK_GOOD: Ramp = Ramp {
    anchors: [
        (30, 48, 79),
        (42, 79, 126),
        (52, 115, 175),
        (73, 154, 214),
        (110, 191, 238),
        (155, 225, 253),
    ],
    indices: &[18, 24, 31, 74, 81, 159],
};
const BLIND_LIGHT_BAD: Ramp = Ramp {
    anchors: [
        (253, 236, 209),
        (246, 202, 144),
        (238, 164, 83),
        (207, 129, 56),
        (165, 98, 45),
        (118, 68, 32),
    ],
    indices: &[223, 215, 208, 172, 166, 130, 94, 52],
};
const BLIND_LIGHT_GOOD: Ramp = Ramp {
    anchors: [
        (218, 242, 254),
        (165, 216, 249),
        (119, 186, 237),
        (82, 149, 211),
        (55, 111, 174),
        (43, 76, 124),
    ],
    indices: &[195, 117, 74, 31, 24, 18],
};

pub(super) fn of(look: Look, hue: Heat) -> &'static Ramp {
    match (look, hue) {
        (Look::Plain | Look::Dark, Heat::Good) => &DARK_GOOD,
        (Look::Plain | Look::Dark, Heat::Bad) => &DARK_BAD,
        (Look::Light, Heat::Good) => &LIGHT_GOOD,
        (Look::Light, Heat::Bad) => &LIGHT_BAD,
        (Look::BlindDark, Heat::Good) => &BLIND_DARK_GOOD,
        (Look::BlindDark, Heat::Bad) => &BLIND_DARK_BAD,
        (Look::BlindLight, Heat::Good) => &BLIND_LIGHT_GOOD,
        (Look::BlindLight, Heat::Bad) => &BLIND_LIGHT_BAD,
    }
}

/// The level of a share among so many; none for nothing, at least the first for anything.
pub(super) fn level(share: f64, levels: usize) -> Option<usize> {
    if share.is_nan() || share <= 0.0 {
        return None;
    }
    let place = (share.min(1.0) * levels as f64).ceil() as usize;
    Some(place.clamp(1, levels) - 1)
}

impl Ramp {
    /// The true colour of a level.
    pub(super) fn color(&self, level: usize) -> Rgb {
        let last = self.anchors.len() - 1;
        let place = level.min(LEVELS - 1) as f64 / (LEVELS - 1) as f64 * last as f64;
        let before = (place as usize).min(last - 1);
        let part = place - before as f64;
        let (from, to) = (self.anchors[before], self.anchors[before + 1]);
        let mix =
            |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
    }
}

/// What terminals show for one of the 256 colours beyond their own 16.
pub(super) fn of_index(index: u8) -> Rgb {
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return (grey, grey, grey);
    }
    let place = index.saturating_sub(16);
    let channel = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    (
        channel(place / 36),
        channel(place / 6 % 6),
        channel(place % 6),
    )
}

/// The nearest of the greys among the 256 colours.
pub(super) fn grey_index(value: u8) -> u8 {
    match value {
        0..=3 => 16,
        4..=246 => 232 + (value.saturating_sub(3) / 10).min(23),
        247.. => 231,
    }
}

/// The nearest of the 256 colours, the 16 of the terminal's own left out.
pub(super) fn nearest_index(color: Rgb) -> u8 {
    let (r, g, b) = color;
    let step = |value: u8| match value {
        0..48 => 0,
        48..115 => 1,
        _ => (value - 35) / 40,
    };
    let cube = 16 + 36 * step(r) + 6 * step(g) + step(b);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = grey_index(u8::try_from(mean).unwrap_or(u8::MAX));
    let far = |index| distance(color, of_index(index));
    if far(grey) < far(cube) { grey } else { cube }
}

/// The nearest of the 16 colours, as most terminals show them.
pub(super) fn nearest_of_16(color: Rgb) -> Color {
    const ALL: [(Color, Rgb); 16] = [
        (Color::Black, (0, 0, 0)),
        (Color::Red, (205, 0, 0)),
        (Color::Green, (0, 205, 0)),
        (Color::Yellow, (205, 205, 0)),
        (Color::Blue, (0, 0, 238)),
        (Color::Magenta, (205, 0, 205)),
        (Color::Cyan, (0, 205, 205)),
        (Color::Gray, (229, 229, 229)),
        (Color::DarkGray, (127, 127, 127)),
        (Color::LightRed, (255, 0, 0)),
        (Color::LightGreen, (0, 255, 0)),
        (Color::LightYellow, (255, 255, 0)),
        (Color::LightBlue, (92, 92, 255)),
        (Color::LightMagenta, (255, 0, 255)),
        (Color::LightCyan, (0, 255, 255)),
        (Color::White, (255, 255, 255)),
    ];
    let nearest = ALL.iter().min_by_key(|(_, of)| distance(color, *of));
    nearest.map_or(Color::Reset, |(color, _)| *color)
}

/// The square of how far two colours lie from each other.
fn distance(a: Rgb, b: Rgb) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
}
