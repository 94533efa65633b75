//! Sends cells with as few bytes as they need, for screens watched over a slow line.
//!
//! crossterm's backend names both colours where one changes and an absolute place after every gap; here what is so
//! already is not said again. Everything but drawing is crossterm's. What could disturb the terminal is not sent to it,
//! whatever widget put it into a cell.

use std::fmt::Write as _;
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::text;

/// The upper half in the foreground's colour, the lower in the background's.
const HALF_BLOCK: &str = "▀";

/// What is seen on a cell without a letter.
const SEEN_ON_BLANK: Modifier = Modifier::UNDERLINED
    .union(Modifier::REVERSED)
    .union(Modifier::CROSSED_OUT);

/// Select Graphic Rendition: modifier, the number that sets it, the one that takes it away. Bold and dim share theirs.
const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// See the module.
pub(super) struct FrugalBackend<W: Write> {
    inner: CrosstermBackend<W>,
}

impl<W: Write> FrugalBackend<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            inner: CrosstermBackend::new(writer),
        }
    }
}

impl<W: Write> Backend for FrugalBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.inner.write_all(sequence(content).as_bytes())
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.inner.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

/// What a terminal has to be told to show these cells; it begins and ends without colours and modifiers.
fn sequence<'a>(content: impl Iterator<Item = (u16, u16, &'a Cell)>) -> String {
    let mut pen = Pen::default();
    for (x, y, cell) in content {
        pen.go(x, y);
        pen.put(cell);
    }
    pen.rest()
}

/// Where the terminal writes next, and how.
#[derive(Default)]
struct Pen {
    out: String,
    /// Unknown at first.
    at: Option<Position>,
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    fn go(&mut self, x: u16, y: u16) {
        let wanted = Position { x, y };
        if self.at == Some(wanted) {
            return;
        }
        // Writing into a string does not fail.
        let _ = match self.at {
            Some(at) if at.y == y && x == at.x + 1 => self.out.write_str("\x1b[C"),
            Some(at) if at.y == y && x > at.x => write!(self.out, "\x1b[{}C", x - at.x),
            _ => write!(self.out, "\x1b[{};{}H", y + 1, x + 1),
        };
        self.at = Some(wanted);
    }

    fn put(&mut self, cell: &Cell) {
        let even = cell.symbol() == HALF_BLOCK && cell.fg == cell.bg && cell.fg != Color::Reset;
        let symbol = if even { " " } else { cell.symbol() };
        let blank = symbol == " " && !cell.modifier.intersects(SEEN_ON_BLANK);
        let fg = if blank { self.fg } else { cell.fg };
        self.style(fg, cell.bg, cell.modifier);
        let width = symbol.width();
        if text::is_harmless(symbol) {
            self.out.push_str(symbol);
        } else {
            // As wide as what it stands for.
            self.out.push_str(&"?".repeat(width));
        }
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        self.at = self.at.map(|at| Position {
            x: at.x.saturating_add(width),
            ..at
        });
    }

    fn style(&mut self, fg: Color, bg: Color, modifier: Modifier) {
        let mut numbers = String::new();
        if modifier != self.modifier {
            let mut kept = self.modifier;
            for (what, _, off) in MODIFIERS {
                if (self.modifier - modifier).contains(what) {
                    push(&mut numbers, format_args!("{off}"));
                    // What else this number takes away has to be set again.
                    let shared = MODIFIERS.iter().filter(|(_, _, other)| *other == off);
                    shared.for_each(|(with, _, _)| kept.remove(*with));
                }
            }
            for (what, on, _) in MODIFIERS {
                if (modifier - kept).contains(what) {
                    push(&mut numbers, format_args!("{on}"));
                }
            }
            self.modifier = modifier;
        }
        if fg != self.fg {
            colour(&mut numbers, fg, 38);
            self.fg = fg;
        }
        if bg != self.bg {
            colour(&mut numbers, bg, 48);
            self.bg = bg;
        }
        if !numbers.is_empty() {
            let _ = write!(self.out, "\x1b[{numbers}m");
        }
    }

    /// All that was written, with the terminal left as it was found.
    fn rest(mut self) -> String {
        if (self.fg, self.bg, self.modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
            self.out.push_str("\x1b[m");
        }
        self.out
    }
}

fn push(numbers: &mut String, number: std::fmt::Arguments) {
    if !numbers.is_empty() {
        numbers.push(';');
    }
    let _ = numbers.write_fmt(number);
}

/// Adds a colour; `ground` is 38 for the foreground, 48 for the background, one more takes it away.
fn colour(numbers: &mut String, colour: Color, ground: u8) {
    let index = match colour {
        Color::Reset => return push(numbers, format_args!("{}", ground + 1)),
        Color::Rgb(r, g, b) => return push(numbers, format_args!("{ground};2;{r};{g};{b}")),
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    push(numbers, format_args!("{ground};5;{index}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZero;

    use proptest::prelude::*;
    use ratatui::style::Style;

    fn cell(symbol: &'static str, style: Style) -> Cell {
        let mut cell = Cell::default();
        cell.set_symbol(symbol).set_style(style);
        cell
    }

    fn told(cells: &[(u16, u16, Cell)]) -> String {
        sequence(cells.iter().map(|(x, y, cell)| (*x, *y, cell)))
    }

    #[test]
    fn what_is_so_already_is_not_said_again() {
        let grey = |v| Color::Rgb(v, v, v);
        let half = |upper, lower| cell("▀", Style::new().fg(grey(upper)).bg(grey(lower)));
        let cells = [
            (0, 0, half(1, 2)),
            (1, 0, half(1, 3)),
            (2, 0, half(4, 3)),
            // Even: a blank on the background, whatever the foreground.
            (3, 0, half(3, 3)),
            (4, 0, cell(" ", Style::new().fg(Color::Red).bg(grey(3)))),
            (6, 0, half(4, 3)),
        ];
        assert_eq!(
            told(&cells),
            "\x1b[1;1H\x1b[38;2;1;1;1;48;2;2;2;2m▀\x1b[48;2;3;3;3m▀\x1b[38;2;4;4;4m▀  \x1b[C▀\x1b[m"
        );
    }

    #[test]
    fn taking_bold_away_keeps_dim_and_wide_letters_move_two() {
        let both = Style::new().add_modifier(Modifier::BOLD | Modifier::DIM);
        let dim = Style::new().add_modifier(Modifier::DIM);
        let cells = [
            (0, 1, cell("a", both)),
            (1, 1, cell("永", dim)),
            (3, 1, cell("b", Style::new())),
            (9, 1, cell("c", Style::new())),
            (
                0,
                2,
                cell(" ", Style::new().add_modifier(Modifier::UNDERLINED)),
            ),
        ];
        assert_eq!(
            told(&cells),
            "\x1b[2;1H\x1b[1;2ma\x1b[22;2m永\x1b[22mb\x1b[5Cc\x1b[3;1H\x1b[4m \x1b[m"
        );
    }

    fn any_color() -> impl Strategy<Value = Color> {
        prop_oneof![
            Just(Color::Reset),
            Just(Color::Red),
            (0..16u8).prop_map(Color::Indexed),
            (0..3u8).prop_map(|v| Color::Rgb(v, v, v)),
        ]
    }

    fn any_cell() -> impl Strategy<Value = Cell> {
        let symbol = prop_oneof![Just(" "), Just("▀"), Just("x")];
        // What the terminal of the tests tells.
        let modifier = prop_oneof![
            Just(Modifier::empty()),
            Just(Modifier::BOLD),
            Just(Modifier::UNDERLINED),
            Just(Modifier::REVERSED | Modifier::ITALIC),
        ];
        (symbol, any_color(), any_color(), modifier).prop_map(|(symbol, fg, bg, modifier)| {
            cell(symbol, Style::new().fg(fg).bg(bg).add_modifier(modifier))
        })
    }

    /// What an eye sees of a cell: letter, colours, modifiers.
    fn seen(screen: &vt100::Screen, x: u16, y: u16) -> String {
        let cell = screen.cell(y, x).unwrap();
        let (even, blank) = (cell.contents() == "▀", cell.contents().trim().is_empty());
        let even =
            even && cell.fgcolor() == cell.bgcolor() && cell.fgcolor() != vt100::Color::Default;
        let letter = if even || blank { " " } else { cell.contents() };
        let fg = (letter != " " || cell.underline() || cell.inverse()).then(|| cell.fgcolor());
        let modifiers = (cell.bold() && letter != " ", cell.italic() && letter != " ");
        format!(
            "{letter:?} {fg:?} {:?} {modifiers:?} {} {}",
            cell.bgcolor(),
            cell.underline(),
            cell.inverse()
        )
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_crossterms_would(
            cells in proptest::collection::btree_map((0..3u16, 0..20u16), any_cell(), 0..60),
        ) {
            let draw = |bytes: &[u8]| {
                let [rows, columns] = [3, 20].map(|n| NonZero::new(n).unwrap());
                let mut parser = vt100::Parser::new(rows, columns, 0);
                parser.process(bytes);
                let at = |i: u16| seen(parser.screen(), i % 20, i / 20);
                (0..60).map(at).collect::<Vec<_>>()
            };
            let content = || cells.iter().map(|((y, x), cell)| (*x, *y, cell));
            let mut theirs = Vec::new();
            CrosstermBackend::new(&mut theirs).draw(content()).unwrap();
            let ours = sequence(content());
            prop_assert!(ours.len() <= theirs.len());
            prop_assert_eq!(draw(ours.as_bytes()), draw(&theirs));
        }
    }
}
