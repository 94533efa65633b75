//! Header, footer, the bar for problems, and the message on a screen that is too small.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::App;
use crate::event::Severity;
use crate::run::concurrent_runs::Live;
use crate::run::queue::Counts;
use crate::tui::tab_id::TabId;
use crate::tui::theme::Theme;
use crate::tui::widgets::{cut, left, plain_if, wrap_to};

/// From this width on there is a column between the tabs' names.
const ROOMY: u16 = 100;
/// Columns in which something can be said of the shown run.
const LEAST_STATE: usize = 16;

/// Draws lines, in ASCII where the theme asks for it.
pub(super) fn lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>, theme: &Theme) {
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, l))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// What stands on a screen too small for a tab.
pub(super) fn too_small(frame: &mut Frame, least: (u16, u16), theme: &Theme) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let text = format!(
        "fmtui needs {} × {}; this is {} × {}. Make the window larger, or press q: runs keep training.",
        least.0, least.1, area.width, area.height
    );
    let wrapped = wrap_to(&text, usize::from(area.width), usize::from(area.height));
    let top = area
        .height
        .saturating_sub(u16::try_from(wrapped.len()).unwrap_or(0))
        / 2;
    let area = Rect {
        y: area.y + top,
        height: area.height - top,
        ..area
    };
    let shown = wrapped
        .into_iter()
        .map(|l| Line::styled(l, theme.text()))
        .collect();
    lines(frame, area, shown, theme);
}

/// `name · state` in `room` columns: the name gives way, not what the run does.
fn cut_name(text: &str, room: usize) -> String {
    let Some((name, state)) = text.rsplit_once(" · ") else {
        return cut(text, room);
    };
    match room.checked_sub(state.width() + 3) {
        Some(rest) if rest >= 6 => format!("{} · {state}", cut(name, rest)),
        _ => cut(text, room),
    }
}

/// The runs under way beside the shown one: by name where `free` columns have place for it, else how many, within
/// `room`.
fn others(runs: &[&Live], free: usize, room: usize) -> String {
    let paused = runs.iter().filter(|run| run.is_paused).count();
    let word = |is_paused: bool| if is_paused { "paused" } else { "running" };
    let number = runs.len();
    let count = match (number, paused) {
        (0, _) => return String::new(),
        (_, 0) => format!(" +{number} running"),
        (_, all) if all == number => format!(" +{number} paused"),
        (_, some) => format!(" +{} running +{some} paused", number - some),
    };
    let names = runs
        .iter()
        .map(|run| format!("{} {}", run.name, word(run.is_paused)));
    let names = format!("  + {}", names.collect::<Vec<_>>().join(", "));
    [names, count.clone()]
        .into_iter()
        .find(|text| text.width() <= free)
        // The shown run's name gives way, as far as something of it is left.
        .or((count.width() + LEAST_STATE <= room).then_some(count))
        .unwrap_or_else(|| format!(" +{number}"))
}

/// `2 running · 3 queued`, as long as `room` allows.
fn queued(running: usize, queue: Counts, room: usize) -> String {
    let all = Counts { running, ..queue };
    let short = format!("+{} queued", queue.waiting + queue.held);
    let ways = [
        format!("   {}", all.words()),
        format!(" {}", all.words()),
        format!(" {short}"),
    ];
    ways.into_iter()
        .find(|way| way.width() <= room)
        .unwrap_or_default()
}

impl App {
    pub(super) fn render_header(&mut self, frame: &mut Frame, area: Rect) {
        let theme = self.context.theme;
        let mut spans = vec![Span::styled(" fmtui ", theme.title())];
        let mut x = area.x + 7.min(area.width);
        // Where columns are few, those between the tabs are needed for the runs.
        let gap = if area.width < ROOMY { "" } else { " " };
        for (name, tab) in self.tab_names.iter_mut().zip(TabId::ALL) {
            let active = *tab == self.active;
            let mark = if active { "▸" } else { " " };
            let text = format!("{mark}{}{gap}", tab.title());
            let width = u16::try_from(text.width()).unwrap_or(0);
            *name = Rect { x, width, ..area }.intersection(area);
            x = x.saturating_add(width);
            spans.push(Span::styled(
                text,
                if active { theme.accent() } else { theme.dim() },
            ));
        }
        let used = usize::from(x - area.x);
        let room = usize::from(area.width).saturating_sub(used + 2);
        let state = self.context.run.state();
        // That there is no run may go unsaid.
        let is_none = self.context.run.history().is_none();
        let least = if is_none {
            0
        } else {
            state.width().min(LEAST_STATE)
        };
        let others = match self.queue.waiting + self.queue.held {
            0 => others(&self.others(), room.saturating_sub(state.width()), room),
            _ => queued(self.live.len(), self.queue, room.saturating_sub(least)),
        };
        let left = room.saturating_sub(others.width());
        let state = if is_none && left < state.width() {
            String::new()
        } else {
            cut_name(&state, left)
        };
        let pad = (room + 1).saturating_sub(state.width() + others.width());
        spans.push(Span::raw(" ".repeat(pad)));
        spans.push(Span::styled(state, self.state_style()));
        spans.push(Span::styled(others, theme.accent()));
        lines(frame, area, vec![Line::from(spans)], &theme);
    }

    fn state_style(&self) -> Style {
        match self.context.run.state_severity() {
            Severity::Info => self.context.theme.text(),
            Severity::Good => self.context.theme.good(),
            Severity::Warning => self.context.theme.warn(),
            Severity::Error => self.context.theme.bad(),
        }
    }

    pub(super) fn render_footer(&self, frame: &mut Frame, area: Rect) {
        let theme = self.context.theme;
        let width = usize::from(area.width);
        let always = format!(
            "{} help   {} quit ",
            self.keymap.shown("?"),
            self.keymap.shown("q")
        );
        let mut spans = vec![Span::raw(" ")];
        let mut used = 1;
        for hint in self
            .tabs
            .get(self.active)
            .hints(&self.context)
            .into_iter()
            .take(5)
        {
            let keys = self.keymap.shown(hint.keys);
            let needed = keys.width() + 1 + hint.does.width() + 3;
            if used + needed + always.width() > width {
                break;
            }
            used += needed;
            spans.push(Span::styled(keys, theme.accent()));
            spans.push(Span::styled(format!(" {}   ", hint.does), theme.text()));
        }
        let pad = width.saturating_sub(used + always.width());
        spans.push(Span::raw(" ".repeat(pad)));
        spans.push(Span::styled(always, theme.dim()));
        lines(frame, area, vec![Line::from(spans)], &theme);
    }

    /// What was just said, on whole rows above the footer: beside it nothing would be left but pieces. At the top while
    /// something is typed, which stands below.
    pub(super) fn render_said(&self, frame: &mut Frame, content: Rect) {
        let said = self.said.as_ref().map(|(said, _)| said);
        let Some(said) = said.or(self.preparing.as_ref()) else {
            return;
        };
        let theme = self.context.theme;
        let room = usize::from(content.width).saturating_sub(4);
        let said = wrap_to(said, room, 2);
        let rows = u16::try_from(said.len()).unwrap_or(0).min(content.height);
        let area = Rect {
            y: if self.tabs.get(self.active).takes_text() {
                content.y
            } else {
                content.bottom() - rows
            },
            height: rows,
            ..content
        };
        let width = usize::from(content.width).saturating_sub(1);
        let style = theme.title().patch(theme.cursor());
        let said = said
            .into_iter()
            .map(|l| Line::styled(format!(" {}", left(&l, width)), style))
            .collect();
        frame.render_widget(Clear, area);
        lines(frame, area, said, &theme);
    }

    /// The problem and what to do about it, at most four lines.
    pub(super) fn problem_lines(&self, width: u16) -> Vec<Line<'static>> {
        let Some(problem) = &self.problem else {
            return Vec::new();
        };
        let theme = self.context.theme;
        let room = usize::from(width).saturating_sub(4);
        let mut shown: Vec<Line> = wrap_to(&problem.problem, room, 3)
            .into_iter()
            .enumerate()
            .map(|(i, l)| {
                Line::styled(
                    format!(" {} {l}", if i == 0 { "×" } else { " " }),
                    theme.bad(),
                )
            })
            .collect();
        let dismiss = format!("  ({} dismisses)", self.keymap.shown("Esc"));
        let remedy = wrap_to(&format!("{}{dismiss}", problem.remedy), room, 2);
        shown.extend(
            remedy
                .into_iter()
                .map(|l| Line::styled(format!("   {l}"), theme.text())),
        );
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::{Live, cut_name, others};

    #[test]
    fn the_other_runs_are_named_or_counted_as_space_allows() {
        let run = |name: &str, is_paused| Live {
            id: name.into(),
            name: name.into(),
            is_paused,
        };
        let runs = [run("mlp-20", false), run("lenet5", true), run("vgg", true)];
        let shown =
            |runs: &[Live], free, room| others(&runs.iter().collect::<Vec<_>>(), free, room);
        assert_eq!(shown(&[], 90, 90), "");
        assert_eq!(
            shown(&runs, 60, 90),
            "  + mlp-20 running, lenet5 paused, vgg paused"
        );
        assert_eq!(shown(&runs, 30, 50), " +1 running +2 paused");
        assert_eq!(shown(&runs[1..], 12, 31), " +2 paused");
        assert_eq!(shown(&runs[..1], 12, 31), " +1 running");
        // Room is made for the word, not for more.
        assert_eq!(shown(&runs[..1], 3, 31), " +1 running");
        assert_eq!(shown(&runs, 3, 31), " +3");
        assert_eq!(shown(&runs[..1], 0, 11), " +1");
    }

    #[test]
    fn the_name_gives_way_to_the_state() {
        for (room, shown) in [
            (40, "resnet20-cifar-frozen · finished"),
            (24, "resnet20-cif… · finished"),
            (16, "resnet20-cifar-…"),
        ] {
            assert_eq!(cut_name("resnet20-cifar-frozen · finished", room), shown);
        }
        assert_eq!(cut_name("no run", 3), "no…");
    }
}
