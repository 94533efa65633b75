//! Every colour of every theme, measured: contrast as WCAG 2.2 has it, lightness and hue as CIE 1976 L*a*b* (D65).

use super::*;

const LEAST_CONTRAST: f64 = 4.5;

/// Backgrounds that people have: black, VS Code, One Dark, Nord, Solarized, Dracula, Gruvbox.
const DARK_GROUNDS: [Rgb; 7] = [
    (0x00, 0x00, 0x00),
    (0x1e, 0x1e, 0x1e),
    (0x28, 0x2c, 0x34),
    (0x2e, 0x34, 0x40),
    (0x00, 0x2b, 0x36),
    (0x28, 0x2a, 0x36),
    (0x28, 0x28, 0x28),
];
/// White, Solarized, Gruvbox, One Light, Catppuccin, grey.
const LIGHT_GROUNDS: [Rgb; 6] = [
    (0xff, 0xff, 0xff),
    (0xfd, 0xf6, 0xe3),
    (0xfb, 0xf1, 0xc7),
    (0xfa, 0xfa, 0xfa),
    (0xef, 0xf1, 0xf5),
    (0xee, 0xee, 0xee),
];

/// The sixteen as xterm, VGA and Tango (GNOME) have them: 0–7, then the bright ones.
const SIXTEEN: [[Rgb; 16]; 3] = [
    [
        (0, 0, 0),
        (205, 0, 0),
        (0, 205, 0),
        (205, 205, 0),
        (0, 0, 238),
        (205, 0, 205),
        (0, 205, 205),
        (229, 229, 229),
        (127, 127, 127),
        (255, 0, 0),
        (0, 255, 0),
        (255, 255, 0),
        (92, 92, 255),
        (255, 0, 255),
        (0, 255, 255),
        (255, 255, 255),
    ],
    [
        (0, 0, 0),
        (170, 0, 0),
        (0, 170, 0),
        (170, 85, 0),
        (0, 0, 170),
        (170, 0, 170),
        (0, 170, 170),
        (170, 170, 170),
        (85, 85, 85),
        (255, 85, 85),
        (85, 255, 85),
        (255, 255, 85),
        (85, 85, 255),
        (255, 85, 255),
        (85, 255, 255),
        (255, 255, 255),
    ],
    [
        (46, 52, 54),
        (204, 0, 0),
        (78, 154, 6),
        (196, 160, 0),
        (52, 101, 164),
        (117, 80, 123),
        (6, 152, 154),
        (211, 215, 207),
        (85, 87, 83),
        (239, 41, 41),
        (138, 226, 52),
        (252, 233, 79),
        (114, 159, 207),
        (173, 127, 168),
        (52, 226, 226),
        (238, 238, 236),
    ],
];

fn themes(depth: ColorDepth) -> Vec<(Theme, &'static [Rgb])> {
    let mut all = Vec::new();
    for palette in Palette::ALL {
        for ground in [Ground::Dark, Ground::Light] {
            let theme = Theme::new(palette, depth, false).on(ground);
            let grounds: &[Rgb] = if theme.is_light() {
                &LIGHT_GROUNDS
            } else {
                &DARK_GROUNDS
            };
            if theme.depth() == depth {
                all.push((theme, grounds));
            }
        }
    }
    all
}

fn name(theme: Theme) -> String {
    format!("{:?} at {:?}", theme.look(), theme.depth())
}

/// What is seen of a colour that every terminal shows alike.
fn seen(color: Option<Color>) -> Rgb {
    match color {
        Some(Color::Rgb(r, g, b)) => (r, g, b),
        Some(Color::Indexed(index @ 16..)) => ramps::of_index(index),
        other => panic!("{other:?} is the terminal's own"),
    }
}

fn xyz((r, g, b): Rgb) -> [f64; 3] {
    let linear = |v: u8| luminance((v, v, v));
    let (r, g, b) = (linear(r), linear(g), linear(b));
    [
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83,
    ]
}

/// L*, and the hue angle in degrees.
fn lightness_and_hue(color: Rgb) -> (f64, f64) {
    let root = |t: f64| {
        if t > 216.0 / 24_389.0 {
            t.cbrt()
        } else {
            (24_389.0 / 27.0 * t + 16.0) / 116.0
        }
    };
    let [x, y, z] = xyz(color).map(root);
    let (green_red, blue_yellow) = (500.0 * (x - y), 200.0 * (y - z));
    let hue = blue_yellow.atan2(green_red).to_degrees();
    (116.0 * y - 16.0, hue.rem_euclid(360.0))
}

/// The cells of a ramp from the least heat to the most.
fn cells(theme: Theme, hue: Heat) -> Vec<Style> {
    let mut cells: Vec<Style> = Vec::new();
    for step in 1..=960 {
        let cell = theme.heat(hue, f64::from(step) / 960.0).cell;
        if cells.last() != Some(&cell) {
            cells.push(cell);
        }
    }
    cells
}

#[test]
fn lightness_and_contrast_are_those_of_the_standards() {
    let (white, _) = lightness_and_hue(WHITE);
    assert!((white - 100.0).abs() < 0.01, "{white}");
    let (grey, _) = lightness_and_hue((119, 119, 119));
    assert!((grey - 50.03).abs() < 0.01, "{grey}");
    let (red, hue) = lightness_and_hue((255, 0, 0));
    assert!(
        (red - 53.24).abs() < 0.01 && (hue - 40.0).abs() < 0.1,
        "{red} {hue}"
    );
    assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-9);
    assert!((contrast((118, 118, 118), WHITE) - 4.54).abs() < 0.01);
}

#[test]
fn every_ramp_is_strictly_monotonic_in_lightness() {
    for (depth, least) in [(ColorDepth::TrueColor, 32), (ColorDepth::Ansi256, 5)] {
        for (theme, _) in themes(depth) {
            for hue in [Heat::Good, Heat::Bad] {
                let name = format!("{hue:?} of {}", name(theme));
                let ramp = cells(theme, hue);
                assert!(ramp.len() >= least, "{name}: {} levels", ramp.len());
                let lightness: Vec<f64> = ramp
                    .iter()
                    .map(|c| lightness_and_hue(seen(c.bg)).0)
                    .collect();
                // Away from the background, in steps that an eye tells apart.
                let away = if theme.is_light() { -1.0 } else { 1.0 };
                let seen_step = if depth == ColorDepth::TrueColor {
                    1.0
                } else {
                    4.0
                };
                for (a, b) in lightness.iter().zip(&lightness[1..]) {
                    assert!((b - a) * away > seen_step, "{name}: {lightness:?}");
                }
                let spread = lightness[ramp.len() - 1] - lightness[0];
                assert!(spread * away > 50.0, "{name}: {lightness:?}");
            }
        }
    }
}

#[test]
fn the_diagonal_has_a_hue_of_its_own() {
    for depth in [ColorDepth::TrueColor, ColorDepth::Ansi256] {
        for (theme, _) in themes(depth) {
            let hues = |heat| {
                let cells = cells(theme, heat);
                let hue = move |c: &Style| lightness_and_hue(seen(c.bg)).1;
                cells.iter().map(hue).collect::<Vec<_>>()
            };
            for right in hues(Heat::Good) {
                for wrong in hues(Heat::Bad) {
                    let apart = (right - wrong).abs();
                    let apart = apart.min(360.0 - apart);
                    assert!(apart > 60.0, "{}: {right}° and {wrong}°", name(theme));
                }
            }
        }
    }
}

#[test]
fn the_number_on_every_cell_is_legible() {
    for depth in [ColorDepth::TrueColor, ColorDepth::Ansi256] {
        for (theme, _) in themes(depth) {
            for cell in [Heat::Good, Heat::Bad].map(|h| cells(theme, h)).concat() {
                let ratio = contrast(seen(cell.fg), seen(cell.bg));
                assert!(
                    ratio >= LEAST_CONTRAST,
                    "{}: {ratio:.2} {cell:?}",
                    name(theme)
                );
            }
        }
    }
}

/// Every role but the text itself, which is the terminal's own.
fn roles(theme: Theme) -> [(&'static str, Style); 7] {
    [
        ("dim", theme.dim()),
        ("accent", theme.accent()),
        ("train", theme.train()),
        ("held out", theme.held_out()),
        ("good", theme.good()),
        ("warn", theme.warn()),
        ("bad", theme.bad()),
    ]
}

#[test]
fn every_role_is_legible_on_the_background_it_is_made_for() {
    for depth in [ColorDepth::TrueColor, ColorDepth::Ansi256] {
        for (theme, grounds) in themes(depth) {
            assert_eq!(theme.text().fg, Some(Color::Reset));
            for (role, style) in roles(theme) {
                for ground in grounds {
                    let ratio = contrast(seen(style.fg), *ground);
                    let name = name(theme);
                    assert!(
                        ratio >= LEAST_CONTRAST,
                        "{name}, {role}: {ratio:.2} on {ground:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn train_and_held_out_are_told_apart_and_so_are_good_and_bad() {
    for depth in [
        ColorDepth::Ansi16,
        ColorDepth::Ansi256,
        ColorDepth::TrueColor,
    ] {
        for (theme, _) in themes(depth) {
            assert_ne!(theme.train(), theme.held_out(), "{}", name(theme));
            assert_ne!(theme.good(), theme.bad(), "{}", name(theme));
            assert_ne!(theme.good(), theme.warn(), "{}", name(theme));
        }
    }
}

/// The sixteen differ from terminal to terminal: on black and white, as the usual palettes have them, at least 3 : 1.
#[test]
fn sixteen_colours_are_legible_as_the_usual_palettes_have_them() {
    const NAMES: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    for (theme, _) in themes(ColorDepth::Ansi16) {
        let ground = if theme.is_light() { WHITE } else { BLACK };
        for (role, style) in roles(theme) {
            if style.fg == Some(Color::Reset) {
                continue;
            }
            let at = NAMES.iter().position(|n| Some(*n) == style.fg);
            let at = at.unwrap_or_else(|| panic!("{role}: {style:?} is none of the sixteen"));
            for palette in SIXTEEN {
                let ratio = contrast(palette[at], ground);
                assert!(ratio >= 3.0, "{}, {role}: {ratio:.2}", name(theme));
            }
        }
    }
}

#[test]
fn few_colours_shade_by_signs_and_leave_the_number_as_it_is() {
    for (depth, ascii, expected) in [
        (ColorDepth::Ansi16, false, "░▒▓█"),
        (ColorDepth::Mono, false, "░▒▓█"),
        (ColorDepth::Mono, true, ":=*#"),
    ] {
        let theme = Theme::new(Palette::Dark, depth, ascii);
        let mut signs = String::new();
        for step in 0..=100 {
            let shade = theme.heat(Heat::Bad, f64::from(step) / 100.0);
            assert_eq!(shade.cell, theme.text());
            match shade.sign {
                None => assert_eq!(step, 0),
                Some((sign, _)) if signs.ends_with(sign) => {}
                Some((sign, _)) => signs.push(sign),
            }
        }
        assert_eq!(signs, expected);
    }
}

#[test]
fn a_role_over_a_dim_one_is_not_dim() {
    for depth in [ColorDepth::Mono, ColorDepth::Ansi16] {
        let theme = Theme::new(Palette::Dark, depth, false);
        for over in [theme.text(), theme.accent(), theme.good(), theme.title()] {
            let both = theme.dim().patch(over);
            assert!(!both.add_modifier.contains(Modifier::DIM), "{over:?}");
        }
        assert!(
            theme
                .text()
                .patch(theme.dim())
                .add_modifier
                .contains(Modifier::DIM)
        );
    }
}

#[test]
fn greys_rise_with_the_pixel_and_turn_round_on_light() {
    let theme = Theme::new(Palette::Dark, ColorDepth::Ansi256, false);
    let light = |v| lightness_and_hue(seen(theme.grey(v))).0;
    for value in 0..255 {
        assert!(light(value + 1) >= light(value), "{value}");
    }
    assert_eq!(theme.grey(0), Some(Color::Indexed(16)));
    assert_eq!(theme.grey(255), Some(Color::Indexed(231)));
    let theme = Theme::new(Palette::Auto, ColorDepth::TrueColor, false);
    assert_eq!(theme.grey(9), Some(Color::Rgb(9, 9, 9)));
    let theme = theme.on(Ground::Light);
    assert_eq!(theme.grey(9), Some(Color::Rgb(246, 246, 246)));
}

#[test]
fn shares_that_are_none_are_harmless() {
    for depth in [ColorDepth::Mono, ColorDepth::Ansi256, ColorDepth::TrueColor] {
        let theme = Theme::new(Palette::Dark, depth, false);
        assert_eq!(theme.heat(Heat::Bad, f64::NAN), theme.heat(Heat::Bad, 0.0));
        assert_eq!(theme.heat(Heat::Bad, -1.0), theme.heat(Heat::Bad, 0.0));
        assert_eq!(theme.heat(Heat::Bad, 9.0), theme.heat(Heat::Bad, 1.0));
        assert_ne!(theme.heat(Heat::Bad, 1e-9), theme.heat(Heat::Bad, 0.0));
    }
}

#[test]
fn the_next_theme_always_looks_different() {
    let round = |mut theme: Theme| {
        let mut names = vec![theme.title_of_theme()];
        for _ in 0..4 {
            theme = theme.next();
            names.push(theme.title_of_theme());
        }
        names.join(", ")
    };
    let theme = Theme::new(Palette::Auto, ColorDepth::TrueColor, false);
    assert_eq!(
        round(theme),
        "auto (dark), light, color-blind, mono, auto (dark)"
    );
    assert_eq!(
        round(theme.on(Ground::Light)),
        "auto (light), dark, light, color-blind, mono"
    );
    let dark = Theme::new(Palette::Dark, ColorDepth::Ansi256, false);
    assert_eq!(round(dark), "dark, light, color-blind, mono, auto (dark)");
    let plain = Theme::new(Palette::Auto, ColorDepth::Mono, false);
    assert_eq!(plain.next().palette(), Palette::Auto);
}

#[test]
fn only_a_theme_that_follows_the_background_asks_for_it() {
    for (palette, depth, query, expected) in [
        (Palette::Auto, ColorDepth::TrueColor, true, true),
        (Palette::Auto, ColorDepth::TrueColor, false, false),
        (Palette::ColorBlind, ColorDepth::Ansi16, true, true),
        (Palette::Light, ColorDepth::TrueColor, true, false),
        (Palette::Auto, ColorDepth::Mono, true, false),
        (Palette::Mono, ColorDepth::TrueColor, true, false),
    ] {
        let mut theme = Theme::new(palette, depth, false);
        theme.query = query;
        assert_eq!(theme.asks_for_ground(), expected, "{palette:?} {depth:?}");
    }
}

#[test]
fn colours_of_images_are_the_nearest_that_the_terminal_has() {
    let theme = |depth| Theme::new(Palette::Light, depth, false);
    let true_color = theme(ColorDepth::TrueColor);
    assert_eq!(true_color.color((1, 2, 3)), Some(Color::Rgb(1, 2, 3)));
    let few = theme(ColorDepth::Ansi16);
    assert_eq!(few.color((200, 20, 10)), Some(Color::Red));
    assert_eq!(few.color((130, 120, 125)), Some(Color::DarkGray));
    assert_eq!(theme(ColorDepth::Mono).color((1, 2, 3)), None);
    let many = theme(ColorDepth::Ansi256);
    let far = |a: Rgb, b: Rgb| {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
    };
    for color in (0..4096_u32).map(|i| i.wrapping_mul(2_654_435_761)) {
        let [r, g, b, _] = color.to_be_bytes();
        let Some(Color::Indexed(index)) = many.color((r, g, b)) else {
            panic!("no colour for {r} {g} {b}");
        };
        let least = (16..=255).map(|i| far((r, g, b), ramps::of_index(i))).min();
        assert_eq!(
            Some(far((r, g, b), ramps::of_index(index))),
            least,
            "{r} {g} {b}"
        );
    }
}
