//! Colours by role. Widgets name roles, never colours; the theme decides what a role looks like on this terminal.

mod inks;
mod ramps;
mod surroundings;
#[cfg(test)]
mod tests;

use ratatui::style::{Color, Modifier, Style};

use self::inks::{Ink, Inks};
pub(crate) use self::surroundings::ground_of_color;

/// Red, green, blue.
pub(crate) type Rgb = (u8, u8, u8);

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorDepth {
    /// `NO_COLOR`, `TERM=dumb`.
    Mono,
    Ansi16,
    Ansi256,
    TrueColor,
}

/// What the terminal's own background is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Dark,
    Light,
}

/// The themes a user can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    /// Dark or light, as the terminal's background is.
    Auto,
    Dark,
    Light,
    /// Blue and orange instead of green and red, on either background.
    ColorBlind,
    Mono,
}

impl Palette {
    pub(crate) const ALL: [Self; 5] = [
        Self::Auto,
        Self::Dark,
        Self::Light,
        Self::ColorBlind,
        Self::Mono,
    ];

    /// As it is written in the user's settings.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColorBlind => "color-blind",
            Self::Mono => "mono",
        }
    }

    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.replace("colour", "color");
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// What a cell of a heat map looks like: coloured where there are enough colours, else marked by a sign beside its
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shade {
    pub cell: Style,
    pub sign: Option<(char, Style)>,
}

/// What the heat of a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heat {
    /// What is right: the diagonal, a change for the better.
    Good,
    /// Mistakes, a change for the worse.
    Bad,
}

/// Signs of rising heat.
const SIGNS: [char; 4] = ['░', '▒', '▓', '█'];
const ASCII_SIGNS: [char; 4] = [':', '=', '*', '#'];

/// The set of colours that a theme comes to on a background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Plain,
    Dark,
    Light,
    BlindDark,
    BlindLight,
}

/// Styles by role, for one terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    palette: Palette,
    ground: Ground,
    depth: ColorDepth,
    /// Draw with ASCII only (no braille, blocks or box lines).
    pub ascii: bool,
    /// The terminal may be asked for its background.
    pub query: bool,
}

impl Theme {
    #[cfg(test)]
    pub(crate) fn new(palette: Palette, depth: ColorDepth, ascii: bool) -> Self {
        Self {
            palette,
            ground: Ground::Dark,
            depth,
            ascii,
            query: false,
        }
    }

    /// The theme for this process's terminal, as far as the environment tells about it.
    #[must_use]
    pub(crate) fn detect(palette: Palette) -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        Self {
            palette,
            ground: surroundings::ground(&var).unwrap_or(Ground::Dark),
            depth: surroundings::depth(&var),
            ascii: surroundings::is_ascii(&var),
            query: surroundings::may_query(&var),
        }
    }

    /// The same on another background.
    #[must_use]
    pub(crate) fn on(self, ground: Ground) -> Self {
        Self { ground, ..self }
    }

    /// The next theme that looks different here; the same where there is none.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        let all = Palette::ALL;
        let here = all.iter().position(|p| *p == self.palette).unwrap_or(0);
        (1..all.len())
            .map(|step| Self {
                palette: all[(here + step) % all.len()],
                ..self
            })
            .find(|theme| !theme.looks_like(self))
            .unwrap_or(self)
    }

    /// True when nothing would be drawn differently.
    #[must_use]
    pub(crate) fn looks_like(self, other: Self) -> bool {
        self.look() == other.look()
    }

    /// True when the terminal's background matters and may be asked for.
    #[must_use]
    pub(crate) fn asks_for_ground(self) -> bool {
        let follows = matches!(self.palette, Palette::Auto | Palette::ColorBlind);
        self.query && follows && self.depth != ColorDepth::Mono
    }

    #[must_use]
    pub(crate) fn palette(self) -> Palette {
        self.palette
    }

    /// The theme's name, and what it comes to where that depends on the background.
    #[must_use]
    pub(crate) fn title_of_theme(self) -> String {
        let name = self.palette.name();
        match self.palette {
            Palette::Auto if self.is_light() => format!("{name} (light)"),
            Palette::Auto => format!("{name} (dark)"),
            _ => name.into(),
        }
    }

    fn look(self) -> Look {
        match self.palette {
            _ if self.depth() == ColorDepth::Mono => Look::Plain,
            Palette::ColorBlind if self.is_light() => Look::BlindLight,
            Palette::ColorBlind => Look::BlindDark,
            _ if self.is_light() => Look::Light,
            _ => Look::Dark,
        }
    }

    #[must_use]
    pub(crate) fn depth(self) -> ColorDepth {
        if self.palette == Palette::Mono {
            ColorDepth::Mono
        } else {
            self.depth
        }
    }

    /// True when it is made for a light background.
    #[must_use]
    pub(crate) fn is_light(self) -> bool {
        match self.palette {
            Palette::Dark => false,
            Palette::Light => true,
            Palette::Auto | Palette::ColorBlind | Palette::Mono => self.ground == Ground::Light,
        }
    }

    fn inks(self) -> &'static Inks {
        inks::of(self.look())
    }

    fn fg(self, ink: Ink) -> Style {
        let color = match self.depth() {
            ColorDepth::Mono => return UNDIMMED,
            ColorDepth::Ansi16 => ink.ansi,
            ColorDepth::Ansi256 => Color::Indexed(ink.index),
            ColorDepth::TrueColor => rgb(ink.rgb),
        };
        UNDIMMED.fg(color)
    }

    /// The terminal's own: it is legible there whatever the background.
    #[expect(clippy::unused_self, reason = "as the other styles")]
    #[must_use]
    pub(crate) fn text(self) -> Style {
        UNDIMMED.fg(Color::Reset)
    }

    /// Labels, axes, units.
    #[must_use]
    pub(crate) fn dim(self) -> Style {
        match self.depth() {
            // The grey of sixteen colours is some palettes' background.
            ColorDepth::Mono | ColorDepth::Ansi16 => self.text().add_modifier(Modifier::DIM),
            ColorDepth::Ansi256 | ColorDepth::TrueColor => self.fg(self.inks().dim),
        }
    }

    /// What is selected or can be acted on.
    #[must_use]
    pub(crate) fn accent(self) -> Style {
        self.fg(self.inks().accent).add_modifier(Modifier::BOLD)
    }

    #[must_use]
    pub(crate) fn title(self) -> Style {
        self.text().add_modifier(Modifier::BOLD)
    }

    /// Figures of the training set.
    #[must_use]
    pub(crate) fn train(self) -> Style {
        self.fg(self.inks().train)
    }

    /// Figures of the validation (or test) part.
    #[must_use]
    pub(crate) fn held_out(self) -> Style {
        self.fg(self.inks().held_out)
    }

    #[must_use]
    pub(crate) fn good(self) -> Style {
        self.fg(self.inks().good)
    }

    #[must_use]
    pub(crate) fn warn(self) -> Style {
        self.fg(self.inks().warn)
    }

    #[must_use]
    pub(crate) fn bad(self) -> Style {
        self.fg(self.inks().bad).add_modifier(Modifier::BOLD)
    }

    /// The row or cell under the cursor; readable in mono.
    #[expect(clippy::unused_self, reason = "as the other styles")]
    #[must_use]
    pub(crate) fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A cell between nothing (0) and full (1) of a hue; for heat maps.
    #[must_use]
    pub(crate) fn heat(self, hue: Heat, share: f64) -> Shade {
        let ramp = ramps::of(self.look(), hue);
        match self.depth() {
            ColorDepth::TrueColor => {
                ramps::level(share, ramps::LEVELS).map_or_else(Shade::default, |level| {
                    let ground = ramp.color(level);
                    Shade::painted(rgb(ground), ground, rgb)
                })
            }
            ColorDepth::Ansi256 => {
                ramps::level(share, ramp.indices.len()).map_or_else(Shade::default, |level| {
                    let index = ramp.indices[level];
                    Shade::painted(Color::Indexed(index), ramps::of_index(index), |c| {
                        Color::Indexed(if c == BLACK { 16 } else { 231 })
                    })
                })
            }
            ColorDepth::Ansi16 | ColorDepth::Mono => {
                let signs = if self.ascii { ASCII_SIGNS } else { SIGNS };
                let ink = match hue {
                    Heat::Good => self.inks().good,
                    Heat::Bad => self.inks().bad,
                };
                Shade {
                    cell: self.text(),
                    sign: ramps::level(share, signs.len()).map(|l| (signs[l], self.fg(ink))),
                }
            }
        }
    }

    /// A grey of an image, 0 the background's; `None` in mono.
    #[must_use]
    pub(crate) fn grey(self, value: u8) -> Option<Color> {
        let value = if self.is_light() { 255 - value } else { value };
        match self.depth() {
            ColorDepth::Mono => None,
            ColorDepth::TrueColor => Some(Color::Rgb(value, value, value)),
            ColorDepth::Ansi256 => Some(Color::Indexed(ramps::grey_index(value))),
            ColorDepth::Ansi16 => Some(match value {
                0..=60 => Color::Black,
                61..=140 => Color::DarkGray,
                141..=210 => Color::Gray,
                211.. => Color::White,
            }),
        }
    }

    /// A colour of an image as it is, or the nearest that the terminal has; `None` in mono.
    #[must_use]
    pub(crate) fn color(self, color: Rgb) -> Option<Color> {
        match self.depth() {
            ColorDepth::Mono => None,
            ColorDepth::TrueColor => Some(rgb(color)),
            ColorDepth::Ansi256 => Some(Color::Indexed(ramps::nearest_index(color))),
            ColorDepth::Ansi16 => Some(ramps::nearest_of_16(color)),
        }
    }
}

/// Laid over a dim style it takes the dimness away, as a colour takes the grey away.
const UNDIMMED: Style = Style::new().remove_modifier(Modifier::DIM);

const BLACK: Rgb = (0, 0, 0);
const WHITE: Rgb = (255, 255, 255);

impl Shade {
    /// A background with black or white on it, whichever stands out more.
    fn painted(ground: Color, seen: Rgb, color: impl Fn(Rgb) -> Color) -> Self {
        let text = if contrast(seen, BLACK) > contrast(seen, WHITE) {
            BLACK
        } else {
            WHITE
        };
        Self {
            cell: Style::new().bg(ground).fg(color(text)),
            sign: None,
        }
    }
}

fn rgb((r, g, b): Rgb) -> Color {
    Color::Rgb(r, g, b)
}

/// Relative luminance, 0–1.
///
/// **Reference**: Web Content Accessibility Guidelines 2.2, "relative luminance".
#[must_use]
pub(crate) fn luminance((r, g, b): Rgb) -> f64 {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// Contrast ratio of two colours, 1–21.
///
/// **Reference**: Web Content Accessibility Guidelines 2.2, "contrast ratio".
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}
