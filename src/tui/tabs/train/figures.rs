//! The Train tab's numbers: progress lines, the table of figures, sparklines, the step's time, facts and messages, as lines of text.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::curves::{Place, overfitting_since, place};
use crate::event::{Load, Message, Phase, RunHistory, Severity};
use crate::profile::ResultRecord;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::gauge::gauge;
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::{clock, cut, left, right, wrap_to};

/// What the lines are made from.
pub struct Figures<'a> {
    pub history: &'a RunHistory,
    pub loads: &'a [Load],
    pub theme: &'a Theme,
    /// The worker is gone without a word.
    pub lost: bool,
    /// The newest epoch's figures have just come.
    pub bright: bool,
    /// There are rows for the facts and for a bar of the step's time; else both are said in fewer words elsewhere.
    pub roomy: bool,
}

/// Columns of the words behind a progress bar.
const TAIL: usize = 27;

/// A loss with as many digits as it deserves.
#[must_use]
pub fn loss(value: f64) -> String {
    match value.abs() {
        v if v.is_nan() => "NaN".into(),
        v if v < 10.0 => format!("{value:.4}"),
        v if v < 1000.0 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people; the cast saturates"
)]
fn rate(value: f64) -> String {
    if value.is_finite() {
        text::grouped(value.round() as u64)
    } else {
        "–".into()
    }
}

impl Figures<'_> {
    /// Two lines: the run, and the epoch (or, at the end, the test).
    #[must_use]
    pub fn progress(&self, width: usize) -> [Line<'static>; 2] {
        let Some(place) = place(self.history) else {
            let waiting = if self.lost {
                "the worker never started"
            } else {
                "starting the worker…"
            };
            return [
                Line::styled(waiting.to_string(), self.theme.dim()),
                Line::default(),
            ];
        };
        let run = format!("epoch {}/{}", place.epoch, place.epochs);
        let first = self.bar_line(&run, place.share, &self.run_tail(), width);
        [first, self.second_line(place, width)]
    }

    fn bar_line(&self, label: &str, share: f64, tail: &str, width: usize) -> Line<'static> {
        let tail_width = TAIL.min(width.saturating_sub(30));
        let bar = width.saturating_sub(17 + 8 + tail_width);
        let [done, rest] = gauge(share, bar, self.theme);
        Line::from(vec![
            Span::styled(left(label, 17), self.theme.text()),
            done,
            rest,
            Span::styled(
                right(&format!("{:.0} %", share * 100.0), 6),
                self.theme.text(),
            ),
            Span::styled(format!("  {}", cut(tail, tail_width)), self.theme.dim()),
        ])
    }

    fn run_tail(&self) -> String {
        let h = self.history;
        let spent = h.steps.last().map_or(0.0, |s| s.elapsed_seconds);
        let spent = h.result.as_ref().map_or(spent, |r| r.seconds);
        match h.phase {
            _ if self.lost => "worker gone, u resumes".into(),
            Phase::Waiting => "starting…".into(),
            Phase::Running => match h.seconds_left() {
                _ if h.features.is_some() => "after the features".into(),
                Some(seconds) => format!("{} left", text::seconds(seconds)),
                None => "measuring the pace…".into(),
            },
            Phase::Paused => match &h.waiting {
                Some(why) => format!("waiting: {why}"),
                None => "paused".into(),
            },
            Phase::Finished => format!("trained {}", text::seconds(spent)),
            Phase::Stopped => "stopped, u resumes".into(),
            Phase::Failed => format!("failed at step {}", text::grouped(h.step())),
        }
    }

    fn second_line(&self, place: Place, width: usize) -> Line<'static> {
        if let Some(test) = self.history.result.as_ref().and_then(|r| r.test.as_ref()) {
            let figure = |name: &str, value: String| {
                [
                    Span::styled(format!("{name} "), self.theme.dim()),
                    Span::styled(format!("{value}   "), self.theme.title()),
                ]
            };
            let mut spans = vec![Span::styled(left("test", 17), self.theme.good())];
            spans.extend(figure("accuracy", text::percent(test.accuracy)));
            spans.extend(figure("macro F1", format!("{:.3}", test.macro_f1)));
            spans.extend(figure("loss", loss(test.loss)));
            if width >= 90 {
                spans.extend(figure("top-3", text::percent(test.top3_accuracy)));
            }
            return Line::from(spans);
        }
        if let Some(features) = &self.history.features {
            #[expect(clippy::cast_precision_loss, reason = "pictures are few")]
            let share = features.done as f64 / features.all.max(1) as f64;
            let tail = format!(
                "{} left of {}",
                text::seconds(features.seconds_left()),
                text::grouped(features.all as u64)
            );
            return self.bar_line("frozen features", share, &tail, width);
        }
        #[expect(clippy::cast_precision_loss, reason = "steps of an epoch are few")]
        let share = place.step_in_epoch as f64 / place.steps_per_epoch as f64;
        let label = format!("step {}/{}", place.step_in_epoch, place.steps_per_epoch);
        let tail = if place.evaluating && self.history.phase == Phase::Running && !self.lost {
            format!("{} pass…", self.history.held_out_name())
        } else {
            let speed = self.history.steps.last().map(|s| s.images_per_second);
            speed.map_or("–".into(), |s| format!("{} images/s", rate(s)))
        };
        self.bar_line(&label, share, &self.with_path(tail), width)
    }

    /// The path where the facts, which say it, have no row and the words leave room for it.
    fn with_path(&self, tail: String) -> String {
        match &self.history.started {
            Some(s) if !self.roomy && !s.path.is_empty() => {
                let longer = format!("{tail} · {}", s.path);
                if longer.chars().count() <= TAIL - 2 {
                    longer
                } else {
                    tail
                }
            }
            _ => tail,
        }
    }

    /// Five lines: loss, accuracy, gap and what computes on the left, the curves of the small figures on the right.
    #[must_use]
    pub fn table(&self, width: usize) -> Vec<Line<'static>> {
        let wide = width >= 100;
        let side = if wide { 62 } else { 49 };
        let spark = width.saturating_sub(side + 14 + 9 + 1).min(48);
        let left_block = self.left_block(wide);
        let right_block = self.right_block(spark);
        left_block
            .into_iter()
            .zip(right_block)
            .map(|(mut line, right)| {
                if width >= side + 20 {
                    let pad = side.saturating_sub(line.width());
                    line.spans.push(Span::raw(" ".repeat(pad)));
                    line.spans.extend(right);
                }
                line
            })
            .collect()
    }

    fn left_block(&self, wide: bool) -> Vec<Line<'static>> {
        let (t, h) = (self.theme, self.history);
        let last = h.epochs.last();
        let fresh = if self.bright {
            Modifier::BOLD
        } else {
            Modifier::empty()
        };
        let (best_loss, best_accuracy) = (h.best_loss(), h.best_accuracy());
        let best = |text: Option<String>| right(&text.unwrap_or("–".into()), 17);
        let (train_width, held_width) = if wide { (10, 13) } else { (8, 12) };
        let test = |f: fn(&crate::metrics::Scores) -> String| {
            let scores = h.result.as_ref().and_then(|r| r.test.as_ref());
            wide.then(|| right(&scores.map_or("–".into(), f), 11))
        };
        let row = |name: &str, train: String, held: String, best: String, test: Option<String>| {
            let train_style = if last.is_some() { t.train() } else { t.dim() };
            let mut spans = vec![
                Span::styled(left(name, 9), t.dim()),
                Span::styled(right(&train, train_width), train_style.add_modifier(fresh)),
                Span::styled(right(&held, held_width), t.held_out().add_modifier(fresh)),
                Span::styled(best, t.text()),
            ];
            spans.extend(test.map(|x| Span::styled(x, t.good())));
            Line::from(spans)
        };
        // When it is over, what the weights that were kept make of the training pictures.
        let kept = h.result.as_ref().and_then(|r| r.train.as_ref());
        let (train_loss, train_accuracy) = match last {
            Some(_) if kept.is_some() => (kept.map(|s| s.loss), kept.map(|s| s.accuracy)),
            Some(e) => (Some(e.train_loss), Some(e.train_accuracy)),
            None => (
                self.running_mean(|s| s.loss),
                self.running_mean(|s| s.accuracy),
            ),
        };
        let or_dash = |value: Option<String>| value.unwrap_or("–".into());
        // The test set's best epoch is seen, not chosen: what is kept stands in the gap's line.
        let best_heading = if h.curve_is_test() {
            "top @ epoch"
        } else {
            "best @ epoch"
        };
        let mut header = format!(
            "{}{}{}{}",
            left("", 9),
            right("train", train_width),
            right(h.held_out_name(), held_width),
            right(best_heading, 17),
        );
        if wide {
            header.push_str(&right("test", 11));
        }
        vec![
            Line::styled(header, t.dim()),
            row(
                "loss",
                or_dash(train_loss.map(loss)),
                or_dash(last.map(|e| loss(e.held_out_loss))),
                best(best_loss.map(|e| format!("{} @ {:>3}", loss(e.held_out_loss), e.epoch))),
                test(|s| loss(s.loss)),
            ),
            row(
                "accuracy",
                or_dash(train_accuracy.map(text::percent)),
                or_dash(last.map(|e| text::percent(e.held_out_accuracy))),
                best(
                    best_accuracy.map(|e| {
                        format!("{} @ {:>3}", text::percent(e.held_out_accuracy), e.epoch)
                    }),
                ),
                test(|s| text::percent(s.accuracy)),
            ),
            self.gap_line(if wide { 62 } else { 49 }),
            if self.roomy {
                self.compute_line(if wide { 60 } else { 48 })
            } else {
                self.short_breakdown()
            },
        ]
    }

    fn gap_line(&self, room: usize) -> Line<'static> {
        let (t, h) = (self.theme, self.history);
        let mut spans = vec![Span::styled(left("gap", 9), t.dim())];
        match h.epochs.last() {
            None => spans.push(Span::styled(right("–", 8), t.dim())),
            Some(last) => {
                let of_kept = h
                    .result
                    .as_ref()
                    .and_then(ResultRecord::training_and_held_out);
                let of_last = (last.train_accuracy, last.held_out_accuracy);
                let (training, held_out) = of_kept.unwrap_or(of_last);
                let points = (training - held_out) * 100.0;
                spans.push(Span::styled(
                    right(&format!("{points:.1} points"), 12),
                    t.text(),
                ));
                if let Some(epoch) = overfitting_since(&h.epochs) {
                    let long = format!("  overfitting since epoch {epoch}");
                    let fits = 9 + 12 + long.len() < room;
                    let text = if fits {
                        long
                    } else {
                        format!("  overfitting since {epoch}")
                    };
                    spans.push(Span::styled(text, t.warn()));
                } else if h.curve_is_test() {
                    let text = format!("  kept epoch {}, train loss", last.best_epoch);
                    spans.push(Span::styled(text, t.dim()));
                }
            }
        }
        Line::from(spans)
    }

    /// What computes, and where.
    fn compute_line(&self, room: usize) -> Line<'static> {
        let t = self.theme;
        let Some(s) = &self.history.started else {
            return Line::styled("computed by", t.dim());
        };
        let threads = if s.device.starts_with("cpu") {
            format!(", {}", text::count(s.threads, "thread"))
        } else {
            String::new()
        };
        let place = format!("{}{threads}", s.device);
        let what = if s.path.is_empty() {
            place
        } else {
            format!("{} · {place}", s.path)
        };
        Line::from(vec![
            Span::styled(left("compute", 11), t.dim()),
            Span::styled(cut(&what, room.saturating_sub(11)), t.text()),
        ])
    }

    /// Where a step's time goes, in few columns.
    fn short_breakdown(&self) -> Line<'static> {
        let t = self.theme;
        let b = self.history.steps.last().map(|s| s.breakdown);
        let mut spans = vec![Span::styled("time %", t.dim())];
        for (name, share) in [
            ("load", b.map(|b| b.load)),
            ("forward", b.map(|b| b.forward)),
            ("backward", b.map(|b| b.backward)),
            ("update", b.map(|b| b.update)),
        ] {
            let share = share.map_or("–".into(), |s| format!("{:.0}", s * 100.0));
            spans.push(Span::styled(format!(" {name} "), t.dim()));
            spans.push(Span::styled(right(&share, 2), t.text()));
        }
        Line::from(spans)
    }

    /// Mean over the told steps of the present epoch.
    fn running_mean(&self, figure: fn(&crate::event::StepPoint) -> f64) -> Option<f64> {
        let h = self.history;
        #[expect(clippy::cast_precision_loss, reason = "epochs are few")]
        let from = h.epochs.last().map_or(0.0, |e| e.epoch as f64);
        let steps = h.steps.iter().rev().take_while(|s| s.epoch > from);
        let (sum, n) = steps.fold((0.0, 0_u32), |(sum, n), s| (sum + figure(s), n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }

    fn right_block(&self, spark: usize) -> Vec<Vec<Span<'static>>> {
        let (t, h) = (self.theme, self.history);
        let recent = &h.steps[h.steps.len().saturating_sub(400)..];
        let row = |name: &str, value: Option<String>, values: Vec<f64>| {
            vec![
                Span::styled(left(name, 14), t.dim()),
                Span::styled(right(&value.unwrap_or("–".into()), 9), t.text()),
                Span::raw(" "),
                Span::styled(
                    sparkline(&values, spark, t.ascii),
                    t.accent().remove_modifier(Modifier::BOLD),
                ),
            ]
        };
        let last = h.steps.last();
        let all = |f: fn(&crate::event::StepPoint) -> f64| recent.iter().map(f).collect::<Vec<_>>();
        let rates = h.steps.iter().map(|s| s.learning_rate).collect();
        let planned = h.started.as_ref().map(|s| s.learning_rate);
        let rate_now = last.map(|s| s.learning_rate).or(planned);
        vec![
            row("learning rate", rate_now.map(text::learning_rate), rates),
            row("step loss", last.map(|s| loss(s.loss)), all(|s| s.loss)),
            row(
                "gradient norm",
                last.map(|s| short(s.gradient_norm)),
                all(|s| s.gradient_norm),
            ),
            row(
                "images/s",
                last.map(|s| rate(s.images_per_second)),
                all(|s| s.images_per_second),
            ),
            self.load_line(spark),
        ]
    }

    fn load_line(&self, spark: usize) -> Vec<Span<'static>> {
        let t = self.theme;
        let now = self.loads.last().or(self.history.load.as_ref());
        let part = |name: &'static str, value: String| {
            [Span::styled(name, t.dim()), Span::styled(value, t.text())]
        };
        let cpu = now.map_or("–".into(), |l| format!("{:.0} %", l.cpu_percent));
        let memory = now.map_or("–".into(), |l| text::bytes(l.memory_bytes));
        let gpu = match now.and_then(|l| l.gpu_percent) {
            Some(percent) => format!("{percent:.0} %"),
            None => "–".into(),
        };
        let mut spans = Vec::new();
        if spark >= 24 {
            spans.extend([
                Span::styled(left("CPU", 14), t.dim()),
                Span::styled(right(&cpu, 9), t.text()),
            ]);
            let values: Vec<f64> = self.loads.iter().map(|l| l.cpu_percent).collect();
            let bars = sparkline(&values, (spark - 1).saturating_sub(26), t.ascii);
            spans.push(Span::raw(" "));
            spans.push(Span::styled(
                bars,
                t.accent().remove_modifier(Modifier::BOLD),
            ));
            spans.push(Span::raw(" "));
        } else {
            spans.extend(part("CPU ", cpu));
            spans.push(Span::raw("  "));
        }
        spans.extend(part(if spark >= 24 { "memory " } else { "" }, memory));
        spans.push(Span::raw("  "));
        spans.extend(part("GPU ", gpu));
        spans
    }

    /// Where a step's time goes.
    #[must_use]
    pub fn breakdown(&self, width: usize) -> Line<'static> {
        let t = self.theme;
        let Some(b) = self.history.steps.last().map(|s| s.breakdown) else {
            return Line::styled("step time –", t.dim());
        };
        let parts = [
            ("load", b.load, t.dim()),
            ("forward", b.forward, t.train()),
            ("backward", b.backward, t.held_out()),
            (
                "update",
                b.update,
                t.accent().remove_modifier(Modifier::BOLD),
            ),
        ];
        let mut spans = vec![Span::styled(left("step time", 17), t.dim())];
        let bar = width.saturating_sub(17 + 62).min(60);
        let sign = if t.ascii { "=" } else { "━" };
        for (_, share, style) in parts {
            spans.push(Span::styled(sign.repeat(columns(share, bar)), style));
        }
        let used: usize = parts.iter().map(|(_, share, _)| columns(*share, bar)).sum();
        spans.push(Span::raw(" ".repeat((bar + 2).saturating_sub(used))));
        for (name, share, style) in parts {
            spans.push(Span::styled(format!("{name} "), style));
            spans.push(Span::styled(
                left(&format!("{:.0} %", share * 100.0), 7),
                t.text(),
            ));
        }
        Line::from(spans)
    }

    /// What is trained on what.
    #[must_use]
    pub fn facts(&self, width: usize) -> Line<'static> {
        let Some(s) = &self.history.started else {
            return Line::default();
        };
        let count = |n: usize| text::grouped(n as u64);
        let held = if s.curve_is_test {
            format!("{} test", count(s.test_pictures))
        } else {
            format!(
                "{} validation / {} test",
                count(s.validation_pictures),
                count(s.test_pictures)
            )
        };
        let mut parts = vec![
            format!("{} parameters", text::grouped(s.parameters)),
            format!("{}: {} train / {held}", s.dataset, count(s.train_pictures)),
            format!("batch {}", s.batch_size),
        ];
        if s.architecture != s.name {
            parts.insert(0, s.architecture.clone());
        }
        Line::styled(cut(&parts.join(" · "), width), self.theme.dim())
    }

    /// Messages from the newest, `skip` left out, in at most `rows` lines; a long one takes up to half of them.
    #[must_use]
    pub fn messages(&self, skip: usize, rows: usize, width: usize) -> Vec<Line<'static>> {
        let messages = self.history.messages.iter().rev().skip(skip);
        messages
            .flat_map(|m| self.message(m, width, rows.div_ceil(2)))
            .take(rows)
            .collect()
    }

    fn message(&self, message: &Message, width: usize, most: usize) -> Vec<Line<'static>> {
        let t = self.theme;
        let style: Style = match message.severity {
            Severity::Info => t.text(),
            Severity::Good => t.good(),
            Severity::Warning => t.warn(),
            Severity::Error => t.bad(),
        };
        let sign = match message.severity {
            Severity::Warning => "! ",
            Severity::Error => "× ",
            Severity::Info | Severity::Good => "",
        };
        let mut time = right(&clock(message.at - self.history.first_at), 7);
        let text = format!("{sign}{}", message.text);
        let lines = wrap_to(&text, width.saturating_sub(9), most);
        let line = |text| {
            let time = std::mem::replace(&mut time, " ".repeat(7));
            Line::from(vec![
                Span::styled(format!("{time}  "), t.dim()),
                Span::styled(text, style),
            ])
        };
        lines.into_iter().map(line).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of a bar on a screen; the cast saturates"
)]
fn columns(share: f64, bar: usize) -> usize {
    ((share.clamp(0.0, 1.0) * bar as f64).round() as usize).min(bar)
}

/// Three digits.
fn short(value: f64) -> String {
    match value.abs() {
        v if v.is_nan() => "NaN".into(),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.1e}"),
    }
}
