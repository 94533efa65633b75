//! An image of one's own: its path is asked for, then it stands beside what the run's network says of it.

use ratatui::crossterm::event::KeyEvent;
use ratatui::text::{Line, Span};

use crate::run::prediction::Predicted;
use crate::text::figure;
use crate::tui::action::Action;
use crate::tui::request::Request;
use crate::tui::tab::{Effect, Hint};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::image::Image;
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::{fit, wrap_to};

/// Columns of a class's name, and of the figure behind it.
const NAME: usize = 16;
const FIGURE: usize = 9;

/// What came of an image: what is said of it, or the problem and the remedy.
pub(crate) type Outcome = Result<Box<Predicted>, (String, String)>;

/// The image of one's own, while it is looked at.
#[derive(Clone, Debug)]
pub(super) struct OwnImage {
    /// The run whose network predicts.
    run: String,
    path: String,
    is_inverted: bool,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Its path is being typed.
    Asking(Input),
    Waiting,
    Done(Outcome),
}

/// What is left of it after a key.
pub(super) enum Next {
    Stays(Effect),
    Closes,
}

impl OwnImage {
    /// Asks for a path, beginning with the one before.
    pub(super) fn ask(run: &str, path: &str) -> Self {
        Self {
            run: run.into(),
            path: path.into(),
            is_inverted: false,
            state: State::Asking(Input::of_path(path)),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn takes_text(&self) -> bool {
        matches!(self.state, State::Asking(_))
    }

    pub(super) fn on_text(&mut self, key: KeyEvent) -> Next {
        let State::Asking(input) = &mut self.state else {
            return Next::Stays(Effect::None);
        };
        match input.on_key(key) {
            Typed::Accepted if !input.text().trim().is_empty() => {
                input.text().trim().clone_into(&mut self.path);
                self.is_inverted = false;
                Next::Stays(self.predict())
            }
            Typed::Cancelled => Next::Closes,
            Typed::Edited | Typed::Accepted | Typed::Ignored => Next::Stays(Effect::None),
        }
    }

    pub(super) fn on_action(&mut self, action: Action) -> Next {
        match action {
            Action::Back => Next::Closes,
            Action::Open | Action::Predict | Action::Edit => {
                self.state = State::Asking(Input::of_path(&self.path));
                Next::Stays(Effect::None)
            }
            Action::CycleView => {
                self.is_inverted = !self.is_inverted;
                Next::Stays(self.predict())
            }
            _ => Next::Stays(Effect::Ignored),
        }
    }

    fn predict(&mut self) -> Effect {
        self.state = State::Waiting;
        Effect::Request(Request::Predict {
            run: self.run.clone(),
            path: self.path.clone(),
            is_inverted: self.is_inverted,
        })
    }

    /// Takes what came of an image, where it is this one.
    pub(super) fn set(&mut self, path: &str, is_inverted: bool, outcome: Outcome) {
        let is_it = self.path == path && self.is_inverted == is_inverted;
        if is_it && matches!(self.state, State::Waiting) {
            self.state = State::Done(outcome);
        }
    }

    pub(super) fn hints(&self) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        match self.state {
            State::Asking(_) => vec![hint("Enter", "predict"), hint("Esc", "matrix")],
            State::Waiting => vec![hint("Esc", "matrix")],
            State::Done(_) => vec![
                hint("Esc", "matrix"),
                hint("i", "another image"),
                hint("v", "invert"),
            ],
        }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, run: &str, theme: &Theme) {
        let inverted = if self.is_inverted { " · inverted" } else { "" };
        let title = Line::from(vec![
            Span::styled(run.to_owned(), theme.title()),
            Span::styled(" · ", theme.dim()),
            Span::styled("your image", theme.held_out()),
            Span::styled(inverted, theme.accent()),
        ]);
        canvas.put(1, 0, title);
        let (width, height) = (canvas.width(), canvas.height());
        let room = usize::from(width.saturating_sub(2));
        match &self.state {
            State::Asking(input) => {
                let mut line = Line::styled("file › ", theme.accent());
                line.spans
                    .extend(input.line(room.saturating_sub(8), theme.text()).spans);
                canvas.put(1, 2, line);
                let told = "the path of a PNG, JPEG, WebP, BMP or GIF; ~/ is your home directory";
                canvas.put(1, 4, Line::styled(told, theme.dim()));
            }
            State::Waiting => {
                canvas.put(1, 1, self.told(room, theme));
                canvas.put(1, 3, Line::styled("predicting …", theme.dim()));
            }
            State::Done(Err((problem, remedy))) => {
                canvas.put(1, 1, self.told(room, theme));
                let problem = wrap_to(problem, room, 6);
                let remedy = wrap_to(remedy, room, 4);
                let lines = problem
                    .into_iter()
                    .map(|line| Line::styled(line, theme.bad()));
                let lines = lines.chain(remedy.into_iter().map(|l| Line::styled(l, theme.text())));
                for (y, line) in (3..).zip(lines) {
                    canvas.put(1, y, line);
                }
            }
            State::Done(Ok(predicted)) => {
                canvas.put(1, 1, self.told(room, theme));
                let mut inside =
                    canvas.part(1, 3, width.saturating_sub(2), height.saturating_sub(3));
                draw_predicted(&mut inside, predicted, theme);
            }
        }
    }

    fn told(&self, room: usize, theme: &Theme) -> Line<'static> {
        Line::styled(fit::cut_front(&self.path, room), theme.dim())
    }
}

fn draw_predicted(canvas: &mut Canvas, predicted: &Predicted, theme: &Theme) {
    let seen = &predicted.seen;
    let image = Image::new(
        &seen.pixels,
        seen.channels,
        (seen.height, seen.width),
        theme,
    );
    let rows = canvas.height().saturating_sub(3);
    let columns = (canvas.width() / 2).min(2 * rows);
    let (columns, rows) = image.fitted(columns, rows);
    canvas.image(0, 0, columns, rows, &image);
    let x = columns + 2;
    let width = usize::from(canvas.width().saturating_sub(x));
    let bar = width.saturating_sub(NAME + FIGURE + 1);
    for (y, (class, share)) in (0..rows).zip(&predicted.ranked) {
        let style = if y == 0 { theme.title() } else { theme.text() };
        let percent = figure::percent(*share, 2, FIGURE);
        let line = Line::from(vec![
            Span::styled(fit::left(class, NAME), style),
            Span::styled(fit::right(&percent, FIGURE), theme.text()),
            Span::raw(" "),
            Span::styled(fit::bar(*share, bar), theme.held_out()),
        ]);
        canvas.put(x, y, line);
    }
    let mut y = rows + 1;
    if predicted.looks_inverted {
        let told = "its border is not like that of the training images: v inverts it";
        canvas.put(0, y, Line::styled(told, theme.accent()));
        y += 1;
    }
    canvas.put(
        0,
        y,
        Line::styled(format!("by {}", predicted.told), theme.dim()),
    );
}
