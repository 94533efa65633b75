//! The table of runs: columns by the width of the screen, one line a run.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::entries::{Below, Entry, GroupRow};
use super::{Mode, RunRow, RunsTab};
use crate::profile::{Profile, Status};
use crate::run::group::in_words;
use crate::run::{comparison, example};
use crate::text::{self, figure};
use crate::tui::theme::Theme;
use crate::tui::widgets::fit::cut_line;
use crate::tui::widgets::{clock, cut, left, plain_if, right};

/// Widths of the columns whose width varies; 0 where there is no room for one.
struct Columns {
    name: usize,
    architecture: usize,
    mode: usize,
    parameters: usize,
    /// What the accuracy is of.
    of: usize,
    f1: usize,
    /// Data set, epochs and device on wide screens.
    wide: bool,
}

/// Columns of fixed width: mark, accuracy, time, status, when.
const FIXED: usize = 2 + 9 + 9 + 10 + 7;
const WIDE: usize = 21 + 9 + 12;

impl Columns {
    fn new(width: usize) -> Self {
        let parameters = if width >= 76 { 9 } else { 0 };
        let f1 = if width >= 66 { 7 } else { 0 };
        let of = if width >= 92 { 12 } else { 6 };
        let fixed = FIXED + parameters + f1 + of;
        let wide = width >= fixed + WIDE + 68;
        let rest = width
            .saturating_sub(fixed + if wide { WIDE } else { 0 })
            .clamp(14, 82);
        let architecture = if width >= 100 { 18 } else { 0 };
        let mode = if width >= 124 { 18 } else { 0 };
        Self {
            name: rest.saturating_sub(architecture + mode).max(14),
            architecture,
            mode,
            parameters,
            of,
            f1,
            wide,
        }
    }
}

/// The state of a run in one word.
pub(super) fn status_word(row: &RunRow) -> &'static str {
    if row.profile.is_err() {
        "broken"
    } else if row.status == Status::Waiting {
        // The column has no room for what it waits for.
        "no space"
    } else {
        row.status.name()
    }
}

fn status_style(row: &RunRow, theme: &Theme) -> Style {
    if row.profile.is_err() {
        return theme.bad();
    }
    match row.status {
        Status::Created | Status::Queued | Status::Running => theme.accent(),
        Status::Finished => theme.good(),
        Status::Stopped => theme.text(),
        Status::Paused | Status::Waiting | Status::Lost | Status::Unknown => theme.warn(),
        Status::Failed => theme.bad(),
    }
}

/// Draws the table and the line about the selected run.
pub(super) fn render(tab: &mut RunsTab, frame: &mut Frame, area: Rect, theme: &Theme) {
    let width = usize::from(area.width);
    let columns = Columns::new(width);
    let body = usize::from(area.height.saturating_sub(4));
    let ids = tab.shown_ids();
    let cursor = tab
        .cursor
        .as_ref()
        .and_then(|c| ids.iter().position(|id| id == c));
    keep_visible(&mut tab.first, cursor.unwrap_or(0), body, ids.len());

    let seen = (tab.first + 1, (tab.first + body).min(ids.len()));
    let runs = tab.shown().len();
    let mut lines = vec![
        heading_line(tab, (runs, ids.len()), seen, width, theme),
        columns.heading(theme),
    ];
    if let Some(reason) = nothing_to_show(tab, runs) {
        lines.push(Line::default());
        lines.push(reason_line(&reason, theme));
    }
    let entries = tab.entries();
    let visible = entries.iter().enumerate().skip(tab.first).take(body);
    lines.extend(visible.map(|(i, entry)| {
        let marked = tab.marked.iter().any(|id| id == entry.id());
        let line = match entry {
            Entry::Run { row, below } => {
                let queued = tab.queued(&row.id).filter(|_| !row.status.has_worker());
                columns.row(row, *below, (marked, queued), theme)
            }
            Entry::Group(group) => columns.group(group, marked, theme),
        };
        if Some(i) == cursor {
            // One style for the whole row: reversed, several colours would be a patchwork.
            Line::styled(line.to_string(), theme.text().patch(theme.cursor()))
        } else {
            line
        }
    }));
    lines.resize(usize::from(area.height.saturating_sub(1)), Line::default());
    let selected = cursor.and_then(|at| entries.get(at));
    lines.push(match selected {
        Some(Entry::Group(group)) => group_detail(group, width, theme),
        _ => detail(tab.selected(), width, theme),
    });
    drop(entries);
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, cut_line(l, width)))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
    tab.rows_area = Rect {
        y: area.y + 2.min(area.height),
        height: area.height.saturating_sub(4),
        ..area
    };
}

/// What the runs of a group come to together.
fn group_detail(group: &GroupRow, width: usize, theme: &Theme) -> Line<'static> {
    let summary = &group.summary;
    let finished = format!("{} of {} finished", summary.finished, group.members.len());
    let said = match summary.accuracy() {
        Some((of, accuracy)) => format!("{of} {} · {finished}", in_words(accuracy)),
        None => finished,
    };
    Line::styled(cut(&format!("{} · {said}", group.name), width), theme.dim())
}

fn keep_visible(first: &mut usize, cursor: usize, body: usize, count: usize) {
    let body = body.max(1);
    *first = (*first).min(count.saturating_sub(body)).min(cursor);
    if cursor >= *first + body {
        *first = cursor + 1 - body;
    }
}

fn heading_line(
    tab: &RunsTab,
    (shown, lines): (usize, usize),
    (first, last): (usize, usize),
    width: usize,
    theme: &Theme,
) -> Line<'static> {
    let all = tab.rows.as_ref().map_or(0, Vec::len);
    let marked = tab.marked.len();
    let mut about = format!("{all} runs, {}", tab.order.name());
    if all == 1 {
        about = "1 run".into();
        if tab.selected().is_some_and(|run| run.id == example::ID) {
            about = "no run of your own yet; this is the built-in example, read-only".into();
        }
    }
    if last + 1 < lines + first {
        about = format!("{about} · {first}–{last} shown");
    }
    if marked > 0 {
        about = format!("{about} · {marked} marked");
    }
    let filtering = tab.mode == Mode::Filtering;
    if !filtering && tab.filter.is_empty() {
        return Line::styled(cut(&about, width), theme.dim());
    }
    let mut line = Line::from(Span::styled("/ ", theme.accent()));
    if filtering {
        line.spans
            .extend(tab.filter.line(width / 2, theme.text()).spans);
    } else {
        line.push_span(Span::styled(
            cut(&tab.filter.text(), width / 2),
            theme.text(),
        ));
    }
    line.push_span(Span::styled(format!("   {shown} of {about}"), theme.dim()));
    line
}

fn nothing_to_show(tab: &RunsTab, shown: usize) -> Option<String> {
    match &tab.rows {
        None => Some("Reading the runs…".into()),
        Some(rows) if rows.is_empty() => {
            Some("No run yet. Choose an architecture on 2 Model and press t to train it.".into())
        }
        Some(_) if shown == 0 => Some("No run matches the filter. Esc shows all.".into()),
        Some(_) => None,
    }
}

fn reason_line(reason: &str, theme: &Theme) -> Line<'static> {
    Line::styled(reason.to_string(), theme.text())
}

/// What is worth knowing of the selected run beyond its row.
fn detail(row: Option<&RunRow>, width: usize, theme: &Theme) -> Line<'static> {
    let Some(row) = row else {
        return Line::default();
    };
    match &row.profile {
        Err(problem) => Line::styled(cut(&format!("{}: {problem}", row.id), width), theme.bad()),
        Ok(profile) => {
            let error = profile.run.as_ref().map_or("", |r| &r.error);
            if !error.is_empty() {
                return Line::styled(cut(&format!("{}: {error}", row.id), width), theme.bad());
            }
            if let Some(note) = row.notes().first() {
                return Line::styled(cut(&format!("{}: {note}", row.id), width), theme.warn());
            }
            let t = &profile.train;
            let architecture = &profile.model.architecture;
            let named = row.id.contains(architecture.as_str());
            let architecture = if named {
                String::new()
            } else {
                format!("{architecture} · ")
            };
            let of = row.accuracy().map_or_else(String::new, |a| {
                let weights = a.weights.short(figure::ANY);
                let interval = comparison::accuracy_interval(profile)
                    .map_or_else(String::new, |i| format!("95 % {} · ", i.percent(1)));
                format!("{} of {weights} · {interval}", a.subset.name())
            });
            let untested = profile
                .untested()
                .map_or_else(String::new, |why| format!("no test scores: {why} · "));
            let text = format!(
                "{} · {of}{untested}{architecture}{} · {} · {} of {} · batch {} · rate {} · seed {}",
                row.id,
                row.training_mode(),
                profile.data.name,
                text::grouped(profile.epochs_done() as u64),
                text::count(t.epochs, "epoch"),
                t.batch_size,
                figure::learning_rate(t.optimizer.learning_rate, figure::ANY),
                t.seed,
            );
            Line::styled(cut(&text, width), theme.dim())
        }
    }
}

impl Columns {
    fn heading(&self, theme: &Theme) -> Line<'static> {
        let wide = if self.wide {
            format!(
                "  {}{}  {}",
                left("data", 19),
                right("epochs", 9),
                left("device", 10)
            )
        } else {
            String::new()
        };
        let text = format!(
            "  {}{}{}{}{}{}{}{}{wide}  {}{}",
            left("name", self.name),
            left("architecture", self.architecture),
            left("mode", self.mode),
            right("params", self.parameters),
            right("accuracy", 9),
            left(if self.of > 6 { " of" } else { "" }, self.of),
            right("F1", self.f1),
            right("time", 9),
            left("status", 8),
            right("age", 7),
        );
        Line::styled(text, theme.dim())
    }

    fn row(
        &self,
        row: &RunRow,
        below: Below,
        (marked, queued): (bool, Option<(usize, bool)>),
        theme: &Theme,
    ) -> Line<'static> {
        let dash = || "–".to_string();
        let is_over = row.macro_f1().is_some();
        let accuracy = row
            .accuracy()
            .map_or_else(dash, |a| figure::percent(a.accuracy, 1, 8));
        let of = row.accuracy().map_or_else(String::new, |a| {
            let epoch = figure::count(a.weights.epoch() as u64, 5);
            figure::fitting(
                [
                    format!(" {} @{epoch}", a.subset.short()),
                    format!(" {}", a.subset.short()),
                ],
                self.of,
            )
        });
        // A figure that wants a word is marked; the line below says the word.
        let flaw = if row.notes().is_empty() { "" } else { "!" };
        let mark = match (marked, theme.ascii) {
            (true, false) => "● ",
            (true, true) => "* ",
            (false, _) => "  ",
        };
        // The runs of a group have its name: what tells them apart is the seed.
        let name = match (&row.profile, below) {
            (Ok(profile), Below::Group) => format!("  seed {}", profile.train.seed),
            (_, Below::Parent { epoch, depth }) => {
                format!("{}└ @{epoch} {}", "  ".repeat(depth.min(4)), row.name())
            }
            _ => row.name().to_owned(),
        };
        let parameters = row.parameters().map_or_else(dash, |n| figure::count(n, 8));
        let f1 = row.macro_f1().unwrap_or_else(dash);
        let time = row
            .seconds()
            .map_or_else(dash, |s| figure::time(s, clock(s), 8));
        let mut spans = vec![
            Span::styled(mark, theme.accent()),
            Span::styled(
                left(&format!("{} ", cut(&name, self.name - 1)), self.name),
                theme.title(),
            ),
            Span::styled(left(row.architecture(), self.architecture), theme.text()),
            Span::styled(left(&row.training_mode(), self.mode), theme.dim()),
            Span::styled(column(&parameters, self.parameters), theme.text()),
            Span::styled(
                right(&format!("{flaw}{accuracy}"), 9),
                match (flaw, is_over) {
                    ("!", _) => theme.warn(),
                    (_, true) => theme.title(),
                    (_, false) => theme.dim(),
                },
            ),
            Span::styled(left(&of, self.of), theme.dim()),
            Span::styled(column(&f1, self.f1), theme.text()),
            Span::styled(right(&time, 9), theme.text()),
        ];
        if self.wide {
            spans.push(Span::styled(wide_part(row), theme.dim()));
        }
        let word = match queued {
            Some((_, true)) => "held".into(),
            Some((place, false)) => format!("queue {}", figure::count(place as u64, 2)),
            None => status_word(row).to_owned(),
        };
        spans.push(Span::styled(
            format!("  {}", left(&word, 8)),
            status_style(row, theme),
        ));
        spans.push(Span::styled(
            right(&when(row.started(), text::now()), 7),
            theme.dim(),
        ));
        Line::from(spans)
    }
}

impl Columns {
    /// A group: means of its runs.
    fn group(&self, group: &GroupRow, marked: bool, theme: &Theme) -> Line<'static> {
        let first = group.members.first().map(|member| &member.profile);
        let of_first =
            |text: &dyn Fn(&Profile) -> String| first.map_or_else(String::new, |p| text(p));
        let mark = match (marked, theme.ascii) {
            (true, false) => "● ",
            (true, true) => "* ",
            (false, _) => "  ",
        };
        let sign = if group.is_open { "▾" } else { "▸" };
        let figures = group.summary.accuracy().map(|(_, accuracy)| accuracy);
        let accuracy = figures.map_or_else(|| "–".into(), |a| figure::percent(a.mean, 1, 8));
        let deviation = figures
            .filter(|a| a.count > 1)
            .map_or_else(String::new, |a| {
                format!(" ±{}", figure::fixed(100.0 * a.deviation, 1, 4))
            });
        let time = group.summary.seconds.as_ref().map(|s| s.mean);
        let time = time.map_or_else(|| "–".into(), |s| figure::time(s, clock(s), 8));
        let parameters = of_first(&|p| {
            let result = p.result.as_ref().filter(|r| r.parameters > 0);
            result.map_or_else(|| "–".into(), |r| figure::count(r.parameters, 8))
        });
        let mode = of_first(&comparison::training_mode);
        let mut spans = vec![
            Span::styled(mark, theme.accent()),
            Span::styled(
                left(
                    &format!("{sign} {} ", cut(&group.name, self.name - 3)),
                    self.name,
                ),
                theme.title(),
            ),
            Span::styled(
                left(
                    &of_first(&|p| p.model.architecture.clone()),
                    self.architecture,
                ),
                theme.text(),
            ),
            Span::styled(left(&mode, self.mode), theme.dim()),
            Span::styled(column(&parameters, self.parameters), theme.text()),
            Span::styled(right(&accuracy, 9), theme.title()),
            Span::styled(left(&deviation, self.of), theme.dim()),
            Span::styled(column("", self.f1), theme.text()),
            Span::styled(right(&time, 9), theme.text()),
        ];
        if self.wide {
            let data = of_first(&|p| p.data.name.clone());
            let wide = format!("  {}{}  {}", left(&data, 19), right("", 9), left("", 10));
            spans.push(Span::styled(wide, theme.dim()));
        }
        let done = format!("{}/{}", group.summary.finished, group.members.len());
        spans.push(Span::styled(format!("  {}", left(&done, 8)), theme.text()));
        let newest = group
            .members
            .iter()
            .filter_map(|m| m.profile.run.as_ref())
            .map(|r| r.started.as_str())
            .max();
        spans.push(Span::styled(
            right(&when(newest.unwrap_or_default(), text::now()), 7),
            theme.dim(),
        ));
        Line::from(spans)
    }
}

/// A cell of a column that may not be there.
fn column(text: &str, width: usize) -> String {
    if width == 0 {
        String::new()
    } else {
        right(text, width)
    }
}

fn wide_part(row: &RunRow) -> String {
    let Ok(p) = &row.profile else {
        return " ".repeat(WIDE);
    };
    let device = p.run.as_ref().map_or("–", |r| &r.device);
    format!(
        "  {}{}  {}",
        left(&p.data.name, 19),
        right(&epochs(p.epochs_done() as u64, p.train.epochs as u64), 9),
        left(device, 10)
    )
}

/// `16/20`.
fn epochs(done: u64, planned: u64) -> String {
    let short = |n, width| figure::count(n, width);
    let ways = [
        format!("{done}/{planned}"),
        format!("{}/{}", short(done, 4), short(planned, 4)),
    ];
    figure::fitting(ways, 9)
}

/// How long ago an RFC 3339 UTC moment was: `now`, `5 min`, `3 h`, `2 d`.
pub(super) fn when(started: &str, now: f64) -> String {
    let Some(then) = text::seconds_of(started) else {
        return "–".into();
    };
    match now - then {
        s if s < 60.0 => "now".into(),
        s if s < 3600.0 => format!("{:.0} min", (s / 60.0).floor()),
        s if s < 86_400.0 => format!("{:.0} h", (s / 3600.0).floor()),
        s => format!("{} d", figure::fixed((s / 86_400.0).floor(), 0, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_back() {
        for moment in [0.0, 951_827_696.0, 1_795_449_731.0] {
            assert_eq!(text::seconds_of(&text::timestamp(moment)), Some(moment));
        }
        assert_eq!(text::seconds_of("yesterday"), None);
        assert_eq!(
            when("2026-11-23T16:02:11Z", 1_795_449_731.0 + 7300.0),
            "2 h"
        );
        assert_eq!(when("", 0.0), "–");
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut first = 0;
        keep_visible(&mut first, 12, 5, 20);
        assert_eq!(first, 8);
        keep_visible(&mut first, 3, 5, 20);
        assert_eq!(first, 3);
        keep_visible(&mut first, 0, 0, 0);
        assert_eq!(first, 0);
    }
}
