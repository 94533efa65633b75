//! Colours by role. Widgets name roles, never colours; the theme decides what a role looks like and quantises it for the terminal.

use ratatui::style::{Color, Modifier, Style};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorDepth {
    /// `NO_COLOR`, `TERM=dumb`.
    Mono,
    Ansi16,
    Ansi256,
    TrueColor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    Dark,
    Light,
    /// Blue and orange instead of green and red.
    ColorBlind,
    Mono,
}

/// Colour roles, true-colour values.
#[derive(Clone, Copy, Debug)]
struct Roles {
    text: (u8, u8, u8),
    dim: (u8, u8, u8),
    accent: (u8, u8, u8),
    train: (u8, u8, u8),
    held_out: (u8, u8, u8),
    good: (u8, u8, u8),
    warn: (u8, u8, u8),
    bad: (u8, u8, u8),
}

const DARK: Roles = Roles {
    text: (220, 223, 228),
    dim: (120, 126, 136),
    accent: (97, 175, 239),
    train: (86, 182, 194),
    held_out: (229, 192, 123),
    good: (152, 195, 121),
    warn: (229, 192, 123),
    bad: (224, 108, 117),
};
const LIGHT: Roles = Roles {
    text: (40, 44, 52),
    dim: (125, 130, 138),
    accent: (30, 100, 200),
    train: (0, 120, 140),
    held_out: (170, 100, 0),
    good: (40, 120, 40),
    warn: (160, 100, 0),
    bad: (190, 40, 50),
};
const COLOR_BLIND: Roles = Roles {
    text: (220, 223, 228),
    dim: (120, 126, 136),
    accent: (86, 180, 233),
    train: (0, 158, 215),
    held_out: (230, 159, 0),
    good: (86, 180, 233),
    warn: (240, 228, 66),
    bad: (213, 94, 0),
};

/// Styles by role, for one terminal.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    palette: Palette,
    depth: ColorDepth,
    /// Draw with ASCII only (no braille, blocks or box lines).
    pub ascii: bool,
}

impl Theme {
    #[must_use]
    pub fn new(palette: Palette, depth: ColorDepth, ascii: bool) -> Self {
        Self {
            palette,
            depth,
            ascii,
        }
    }

    /// The theme for this process's terminal, from `NO_COLOR`, `COLORTERM`, `TERM` and the locale.
    #[must_use]
    pub fn detect(palette: Palette) -> Self {
        let var = |name| std::env::var(name).unwrap_or_default();
        let (term, color_term) = (var("TERM"), var("COLORTERM"));
        let depth = if !var("NO_COLOR").is_empty() || term == "dumb" || palette == Palette::Mono {
            ColorDepth::Mono
        } else if color_term.contains("truecolor") || color_term.contains("24bit") {
            ColorDepth::TrueColor
        } else if term.contains("256") {
            ColorDepth::Ansi256
        } else {
            ColorDepth::Ansi16
        };
        let locale = [var("LC_ALL"), var("LC_CTYPE"), var("LANG")]
            .into_iter()
            .find(|l| !l.is_empty())
            .unwrap_or_default()
            .to_lowercase();
        let ascii = term == "linux" || (locale == "c" || locale == "posix");
        Self::new(palette, depth, ascii)
    }

    fn roles(self) -> Roles {
        match self.palette {
            Palette::Light => LIGHT,
            Palette::ColorBlind => COLOR_BLIND,
            Palette::Dark | Palette::Mono => DARK,
        }
    }

    /// A true colour as this terminal can show it; `None` in mono.
    #[must_use]
    pub fn color(self, (r, g, b): (u8, u8, u8)) -> Option<Color> {
        match self.depth {
            ColorDepth::Mono => None,
            ColorDepth::TrueColor => Some(Color::Rgb(r, g, b)),
            ColorDepth::Ansi256 => Some(Color::Indexed(to_256(r, g, b))),
            ColorDepth::Ansi16 => Some(to_16(r, g, b)),
        }
    }

    fn fg(self, rgb: (u8, u8, u8)) -> Style {
        self.color(rgb)
            .map_or_else(Style::new, |c| Style::new().fg(c))
    }

    #[must_use]
    pub fn depth(self) -> ColorDepth {
        self.depth
    }

    #[must_use]
    pub fn is_light(self) -> bool {
        self.palette == Palette::Light
    }

    #[must_use]
    pub fn text(self) -> Style {
        self.fg(self.roles().text)
    }

    /// Labels, axes, units.
    #[must_use]
    pub fn dim(self) -> Style {
        if self.depth == ColorDepth::Mono {
            Style::new().add_modifier(Modifier::DIM)
        } else {
            self.fg(self.roles().dim)
        }
    }

    /// What is selected or can be acted on.
    #[must_use]
    pub fn accent(self) -> Style {
        self.fg(self.roles().accent).add_modifier(Modifier::BOLD)
    }

    #[must_use]
    pub fn title(self) -> Style {
        self.text().add_modifier(Modifier::BOLD)
    }

    /// Figures of the training part.
    #[must_use]
    pub fn train(self) -> Style {
        self.fg(self.roles().train)
    }

    /// Figures of the validation (or test) part.
    #[must_use]
    pub fn held_out(self) -> Style {
        self.fg(self.roles().held_out)
    }

    #[must_use]
    pub fn good(self) -> Style {
        self.fg(self.roles().good)
    }

    #[must_use]
    pub fn warn(self) -> Style {
        self.fg(self.roles().warn)
    }

    #[must_use]
    pub fn bad(self) -> Style {
        self.fg(self.roles().bad).add_modifier(Modifier::BOLD)
    }

    /// The row or cell under the cursor; readable in mono.
    #[must_use]
    pub fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A background between nothing (0) and full (1) of a hue, with a legible foreground; for heat maps.
    #[must_use]
    pub fn heat(self, hue: Heat, share: f64) -> Style {
        let Roles {
            good, bad, accent, ..
        } = self.roles();
        let (r, g, b) = match hue {
            Heat::Good => good,
            Heat::Bad => bad,
            Heat::Neutral => accent,
        };
        let ground = if self.is_light() { 255.0 } else { 24.0 };
        let share = share.clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0–255"
        )]
        let mix = |c: u8| (ground + (f64::from(c) - ground) * share) as u8;
        let rgb = (mix(r), mix(g), mix(b));
        let bright =
            299 * u32::from(rgb.0) + 587 * u32::from(rgb.1) + 114 * u32::from(rgb.2) > 128_000;
        match self.color(rgb) {
            None if share > 0.5 => Style::new().add_modifier(Modifier::BOLD),
            None => Style::new(),
            Some(bg) if bright => Style::new().bg(bg).fg(Color::Black),
            Some(bg) => Style::new().bg(bg).fg(Color::White),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heat {
    Good,
    Bad,
    Neutral,
}

/// The nearest colour of the 256-colour cube or grey ramp.
fn to_256(r: u8, g: u8, b: u8) -> u8 {
    let level = |v: u8| -> u8 {
        match v {
            0..=47 => 0,
            48..=114 => 1,
            _ => (v - 35) / 40,
        }
    };
    if r.abs_diff(g) < 8 && g.abs_diff(b) < 8 {
        return match r {
            0..=7 => 16,
            239..=255 => 231,
            _ => 232 + ((r - 8) / 10).min(23),
        };
    }
    16 + 36 * level(r) + 6 * level(g) + level(b)
}

fn to_16(r: u8, g: u8, b: u8) -> Color {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high - low < 40 {
        return match high {
            0..=60 => Color::Black,
            61..=140 => Color::DarkGray,
            141..=210 => Color::Gray,
            _ => Color::White,
        };
    }
    let on = |v: u8| v > low + (high - low) / 2;
    match (on(r), on(g), on(b)) {
        (true, true, _) => Color::Yellow,
        (true, _, true) => Color::Magenta,
        (_, true, true) => Color::Cyan,
        (true, _, _) => Color::Red,
        (_, true, _) => Color::Green,
        _ => Color::Blue,
    }
}
