//! The list of data sets: choosing one, downloading one, adding one's own and removing it again.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{DataTab, Mode};
use crate::catalog;
use crate::tui::action::Action;
use crate::tui::request::Request;
use crate::tui::tab::{Effect, Hint};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::popup::{self, Answer};
use crate::tui::widgets::{fit, plain_if, wrap_to};

/// The set that `d` downloads where none is chosen.
pub(super) const FETCHED: &str = catalog::DEFAULT;

/// Lines of what is said of a path.
const TOLD: usize = 3;

/// A set that can be loaded now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSet {
    pub name: String,
    /// Where it lies, for people.
    pub place: String,
    /// Whether somebody added it, so that it can be removed.
    pub is_added: bool,
}

/// Files that keep a set from being added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokenFiles {
    /// As it was typed.
    pub path: String,
    /// The first of them, each with what is wrong.
    pub named: Vec<String>,
    pub count: usize,
}

/// What is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Whether to download the set called so.
    Fetch(String),
    /// Whether to remove this set.
    Remove(FoundSet),
    /// Whether to add a set without these.
    SkipBroken(BrokenFiles),
}

/// The sets and where somebody stands among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    /// Those that are here, then those that can be downloaded.
    rows: Vec<FoundSet>,
    /// How many are here.
    here: usize,
    pub cursor: usize,
    /// The first that is drawn.
    first: usize,
    area: Rect,
    /// What was typed last.
    path: String,
}

/// What a download of a set takes, for people.
pub(super) fn fetched_size(name: &str) -> &'static str {
    let download = catalog::find(name).and_then(catalog::Set::download);
    download.map_or("", |download| download.size)
}

fn is_fetchable(name: &str) -> bool {
    catalog::fetchable().any(|set| set.name == name)
}

impl Sets {
    /// Takes the sets that are here; those that can be downloaded come after them. The cursor stays on its set.
    pub(super) fn set(&mut self, found: Vec<FoundSet>) {
        let before = self.row().map(|row| row.name.clone());
        self.here = found.len();
        self.rows = found;
        for set in catalog::fetchable() {
            if self.rows.iter().all(|row| row.name != set.name) {
                self.rows.push(FoundSet {
                    name: set.name.into(),
                    place: format!("press d to download ({})", fetched_size(set.name)),
                    is_added: false,
                });
            }
        }
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        if let Some(name) = before {
            self.select(&name);
        }
    }

    /// Puts the cursor on a set, where it is in the list.
    pub(super) fn select(&mut self, name: &str) {
        let at = self.rows.iter().position(|row| row.name == name);
        self.cursor = at.unwrap_or(self.cursor);
    }

    fn row(&self) -> Option<&FoundSet> {
        self.rows.get(self.cursor)
    }

    /// Whether the set under the cursor is here.
    fn is_here(&self) -> bool {
        self.cursor < self.here
    }

    /// Whether the set that is downloaded where none is chosen is not here yet.
    pub(super) fn wants_download(&self) -> bool {
        let mut here = self.rows.iter().take(self.here);
        here.all(|row| row.name != FETCHED)
    }

    fn step(&mut self, action: Action) {
        let last = self.rows.len().saturating_sub(1);
        let page = usize::from(self.area.height).max(1);
        self.cursor = match action {
            Action::Up => self.cursor.saturating_sub(1),
            Action::Down => (self.cursor + 1).min(last),
            Action::PageUp => self.cursor.saturating_sub(page),
            Action::PageDown => (self.cursor + page).min(last),
            Action::Home => 0,
            Action::End => last,
            _ => self.cursor,
        };
    }

    fn draw(&mut self, canvas: &mut Canvas, theme: &Theme) {
        self.area = canvas.rect(0, 0, canvas.width(), canvas.height());
        let width = usize::from(canvas.width());
        let longest = self.rows.iter().map(|row| row.name.chars().count()).max();
        let name_width = longest.unwrap_or(0).clamp(8, 40).min(width / 2);
        // The cursor stays in sight.
        let height = usize::from(canvas.height()).max(1);
        self.first = self
            .first
            .clamp((self.cursor + 1).saturating_sub(height), self.cursor);
        let shown = self.rows.iter().enumerate().skip(self.first);
        for (y, (at, row)) in (0..canvas.height()).zip(shown) {
            let (mark, style) = if at == self.cursor {
                ("▸", theme.accent())
            } else {
                (" ", theme.text())
            };
            // The end of a path tells more than its beginning.
            let place = fit::cut_front(&row.place, width.saturating_sub(name_width + 6));
            let name = fit::left(&row.name, name_width);
            let name = Span::styled(format!("{mark} {name}  "), style);
            let place = Span::styled(place, theme.dim());
            canvas.put(1, y, Line::from(vec![name, place]));
        }
    }

    /// The row at a screen position.
    fn at(&self, at: Position) -> Option<usize> {
        let row = usize::from(at.y.checked_sub(self.area.y)?) + self.first;
        (self.area.contains(at) && row < self.rows.len()).then_some(row)
    }
}

impl DataTab {
    /// Opens the list of sets with the cursor on the shown one, and has it looked at again.
    pub(super) fn choose_set(&mut self) -> Effect {
        let shown = self.dataset.as_ref().map(|d| d.name.clone());
        self.sets.select(shown.as_deref().unwrap_or_default());
        self.status.dismiss();
        self.mode = Mode::Sets;
        Request::FindDatasets { shown }.into()
    }

    pub(super) fn on_sets(&mut self, action: Action) -> Effect {
        match action {
            Action::Open => return self.open_set(),
            Action::Add => self.ask_for_path(String::new()),
            Action::Train => return self.train_chosen(),
            Action::Back if self.status.dismiss() => {}
            Action::Back | Action::Edit => self.mode = Mode::Browse,
            action if action.is_move() => self.sets.step(action),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    /// Trains on the set under the cursor where it is the one that is shown, so that it has been seen.
    fn train_chosen(&self) -> Effect {
        let chosen = self.sets.row().map(|row| row.name.clone());
        if chosen == self.shown_set() {
            return self.on_train();
        }
        let name = chosen.unwrap_or_default();
        Effect::Say(format!("open {name} with Enter first, then t trains on it"))
    }

    pub(super) fn click_set(&mut self, at: Position) -> Effect {
        let Some(row) = self.sets.at(at) else {
            return Effect::None;
        };
        if row == self.sets.cursor {
            return self.open_set();
        }
        self.sets.cursor = row;
        Effect::None
    }

    fn open_set(&mut self) -> Effect {
        let Some(FoundSet { name, .. }) = self.sets.row() else {
            return Effect::None;
        };
        if !self.sets.is_here() {
            self.asks = Some(Ask::Fetch(name.clone()));
            return Effect::None;
        }
        let name = name.clone();
        self.mode = Mode::Browse;
        self.status.begin(format!("loading {name} …"));
        Request::LoadDataset(name).into()
    }

    /// Asks for the path of a set; `refused` says what was wrong with the one before.
    pub(super) fn ask_for_path(&mut self, refused: String) {
        self.status.dismiss();
        self.mode = Mode::Adding(Input::of_path(&self.sets.path), refused);
    }

    /// Asks whether to download or to remove the set under the cursor, whichever can be done; outside of the list,
    /// whether to download the usual one.
    pub(super) fn ask_to_fetch_or_remove(&mut self) -> Effect {
        let chosen = self.sets.row().filter(|_| self.mode == Mode::Sets);
        let name = chosen.map_or(FETCHED, |row| &row.name);
        if let Some(row) = chosen.filter(|row| row.is_added) {
            self.asks = Some(Ask::Remove(row.clone()));
        } else if chosen.is_none() && !self.sets.wants_download() {
            return Effect::Say(format!("{name} is here; press e for the other data sets"));
        } else if is_fetchable(name) {
            self.asks = Some(Ask::Fetch(name.into()));
        } else if name == catalog::BUILT_IN {
            return Effect::Say(format!("{name} is built in and cannot be removed"));
        } else {
            return Effect::Say(format!(
                "{name} was not added, so it cannot be removed here; its files are in {}",
                chosen.map_or("", |row| &row.place)
            ));
        }
        Effect::None
    }

    pub(super) fn on_answer(&mut self, ask: Ask, key: KeyEvent) -> Effect {
        match (popup::answer(key), ask) {
            (Some(Answer::Yes), Ask::Fetch(name)) => {
                self.status.begin(format!("requesting {name} …"));
                Request::FetchDataset(name).into()
            }
            (Some(Answer::Yes), Ask::Remove(set)) => {
                if self.shown_set().as_ref() == Some(&set.name) {
                    self.show_nothing();
                }
                Request::RemoveDataset(set.name).into()
            }
            (Some(Answer::Yes), Ask::SkipBroken(broken)) => self.add(broken.path, true),
            (Some(Answer::No), _) => Effect::None,
            (None, ask) => {
                self.asks = Some(ask);
                Effect::None
            }
        }
    }

    /// A key while a path is typed.
    pub(super) fn on_path(&mut self, mut input: Input, key: KeyEvent) -> Effect {
        let typed = input.on_key(key);
        input.text().trim().clone_into(&mut self.sets.path);
        match typed {
            Typed::Cancelled => self.mode = Mode::Sets,
            Typed::Accepted if !self.sets.path.is_empty() => {
                return self.add(self.sets.path.clone(), false);
            }
            Typed::Accepted | Typed::Edited | Typed::Ignored => {
                self.mode = Mode::Adding(input, String::new());
            }
        }
        Effect::None
    }

    fn add(&mut self, path: String, skips_broken: bool) -> Effect {
        self.mode = Mode::Sets;
        self.status.begin(format!("adding {path} …; Esc cancels"));
        Request::AddDataset { path, skips_broken }.into()
    }

    /// A set was not added; its path can be corrected.
    pub(crate) fn set_refused(&mut self, problem: String) {
        self.status.end();
        self.asks = None;
        self.ask_for_path(problem);
    }

    /// A set was not added, as these files cannot be used; asks whether to add it without them.
    pub(crate) fn set_broken(&mut self, broken: BrokenFiles) {
        self.status.end();
        self.mode = Mode::Sets;
        self.asks = Some(Ask::SkipBroken(broken));
    }

    pub(super) fn hints_of_sets(&self) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        let mut hints = match self.sets.row() {
            Some(row) if row.is_added => vec![hint("Enter", "open"), hint("d", "remove")],
            Some(_) if !self.sets.is_here() => vec![hint("d", "download")],
            _ => vec![hint("Enter", "open")],
        };
        hints.extend([hint("a", "add a folder or file"), hint("Esc", "back")]);
        hints
    }

    pub(super) fn draw_sets(&mut self, canvas: &mut Canvas, theme: &Theme) {
        canvas.put(1, 0, Line::styled("Data sets", theme.title()));
        let (width, height) = (canvas.width(), canvas.height());
        let room = usize::from(width.saturating_sub(2));
        let mut top = 3;
        if let Mode::Adding(input, refused) = &self.mode {
            let mut line = Line::styled("add › ", theme.accent());
            line.spans
                .extend(input.line(room.saturating_sub(7), theme.text()).spans);
            canvas.put(1, 1, line);
            let (told, style) = if refused.is_empty() {
                let told = "a directory of images with a directory for each class, or a data set's file; \
                            ~/ is your home directory";
                (told, theme.dim())
            } else {
                (refused.as_str(), theme.bad())
            };
            for line in wrap_to(told, room, TOLD) {
                canvas.put(1, top - 1, Line::styled(line, style));
                top += 1;
            }
        } else {
            self.draw_status(canvas, 2, theme);
        }
        let mut list = canvas.part(0, top, width, height.saturating_sub(top));
        self.sets.draw(&mut list, theme);
    }
}

impl Ask {
    pub(super) fn hints(&self) -> Vec<Hint> {
        let yes = match self {
            Self::Fetch(_) => "download",
            Self::Remove(_) => "remove",
            Self::SkipBroken(_) => "add without them",
        };
        let hint = |keys, does| Hint { keys, does };
        vec![hint("Enter", yes), hint("Esc", "no")]
    }

    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let (title, text, yes) = match self {
            Self::Fetch(name) => (
                "download a data set",
                format!(
                    "Download {name} ({}) into the workspace's data directory? Complete files are not downloaded again.",
                    fetched_size(name)
                ),
                "download it",
            ),
            Self::Remove(set) => (
                "remove a data set",
                format!(
                    "Remove {} from the list? Its images stay in {}.",
                    set.name, set.place
                ),
                "remove it",
            ),
            Self::SkipBroken(broken) => return broken.draw(frame, area, theme),
        };
        popup::question(frame, area, title, &text, yes, theme);
    }
}

impl BrokenFiles {
    fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let title = match self.count {
            1 => "1 file cannot be used".into(),
            count => format!(
                "{} files cannot be used",
                crate::text::grouped(count as u64)
            ),
        };
        let width = area.width.saturating_sub(4).min(100);
        let room = usize::from(width.saturating_sub(4));
        // The question, two empty lines, the keys, what is not named, the frame.
        let named = usize::from(area.height.saturating_sub(9)).max(1);
        let mut lines: Vec<Line> = self
            .named
            .iter()
            .take(named)
            .map(|file| Line::styled(format!(" {}", fit::cut(file, room)), theme.warn()))
            .collect();
        if let Some(more) = self.count.checked_sub(lines.len()).filter(|more| *more > 0) {
            let more = crate::text::grouped(more as u64);
            lines.push(Line::styled(format!(" and {more} more"), theme.warn()));
        }
        lines.push(Line::default());
        let question = format!("Nothing was added. Add {} without them?", self.path);
        let question = wrap_to(&question, room, 2);
        lines.extend(
            question
                .into_iter()
                .map(|line| Line::styled(format!(" {line}"), theme.text())),
        );
        lines.push(Line::default());
        lines.push(Line::from(vec![
            Span::styled(" Enter", theme.accent()),
            Span::styled(" add without them   ", theme.text()),
            Span::styled("Esc", theme.accent()),
            Span::styled(" no", theme.text()),
        ]));
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
        let inside = popup::window(frame, area, (width, height), &title, theme);
        let lines: Vec<Line> = lines
            .into_iter()
            .map(|line| plain_if(theme.ascii, line))
            .collect();
        frame.render_widget(Paragraph::new(lines), inside);
    }
}
