//! The Train tab's numbers: progress lines, the table of figures, sparklines, the step's time, facts and messages, as
//! lines of text.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::curves::{RunPosition, overfitting_since, position};
use crate::event::{Message, Phase, ResourceUsage, RunHistory, Severity};
use crate::metrics::{METRICS, Scores};
use crate::profile::{Subset, Weights};
use crate::text::{self, figure};
use crate::tui::theme::Theme;
use crate::tui::widgets::gauge::gauge;
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::{clock, cut, left, right, wrap_to};

/// What the lines are made from.
pub(super) struct Figures<'a> {
    pub history: &'a RunHistory,
    pub loads: &'a [ResourceUsage],
    pub theme: &'a Theme,
    /// The worker exited unexpectedly.
    pub lost: bool,
    /// It waits in the queue: whether it is held.
    pub queued: Option<bool>,
    /// The newest epoch's figures have just come.
    pub bright: bool,
    /// There are rows for the facts and for a bar of the step's time; else both are said in fewer words elsewhere.
    pub roomy: bool,
}

/// Columns of the words behind a progress bar.
const TAIL: usize = 27;

/// Columns of the words before a progress bar, a space among them.
const LABEL: usize = 17;

/// Loss and accuracy of one model on one part of the data, as far as they are known.
#[derive(Clone, Copy, Default)]
struct Pair {
    loss: Option<f64>,
    accuracy: Option<f64>,
}

impl Pair {
    fn of(scores: Option<&Scores>) -> Self {
        Self {
            loss: scores.map(|s| s.loss),
            accuracy: scores.map(|s| s.accuracy),
        }
    }

    fn new(loss: f64, accuracy: f64) -> Self {
        Self {
            loss: Some(loss),
            accuracy: Some(accuracy),
        }
    }
}

/// What stands in the table: training and held-out figures of one model, which is named, and what the third column has.
struct Shown {
    weights: Weights,
    train: Pair,
    held_out: Pair,
    third_heading: String,
    third: Pair,
    third_is_test: bool,
}

/// `step 15/30`, in short numbers where long ones do not fit.
fn place_label(word: &str, at: u64, of: u64) -> String {
    let short = |n| figure::count(n, 5);
    figure::fitting(
        [
            format!("{word} {at}/{of}"),
            format!("{word} {}/{}", short(at), short(of)),
            format!("{}/{}", short(at), short(of)),
        ],
        LABEL - 1,
    )
}

impl Figures<'_> {
    /// Two lines: the run, and the epoch (or, at the end, the test).
    #[must_use]
    pub(super) fn progress(&self, width: usize) -> [Line<'static>; 2] {
        let Some(position) = position(self.history) else {
            let waiting = match self.queued {
                Some(true) => "held in the queue; Space on the Runs tab releases it",
                Some(false) => "queued; it starts when there is room",
                None if self.lost => "the worker did not start",
                None => "starting the worker…",
            };
            return [
                Line::styled(waiting.to_string(), self.theme.dim()),
                Line::default(),
            ];
        };
        let run = place_label("epoch", position.epoch as u64, position.epochs as u64);
        let first = self.bar_line(&run, position.share, &self.run_tail(), width);
        [first, self.second_line(position, width)]
    }

    fn bar_line(&self, label: &str, share: f64, tail: &str, width: usize) -> Line<'static> {
        let tail_width = TAIL.min(width.saturating_sub(30));
        let bar = width.saturating_sub(LABEL + 8 + tail_width);
        let [done, rest] = gauge(share, bar, self.theme);
        Line::from(vec![
            Span::styled(left(label, LABEL), self.theme.text()),
            done,
            rest,
            Span::styled(right(&figure::percent(share, 0, 5), 6), self.theme.text()),
            Span::styled(format!("  {}", cut(tail, tail_width)), self.theme.dim()),
        ])
    }

    fn run_tail(&self) -> String {
        let h = self.history;
        let spent = h.steps.last().map_or(0.0, |s| s.elapsed_seconds);
        let spent = h.result.as_ref().map_or(spent, |r| r.seconds);
        match h.phase {
            _ if self.lost => "worker exited, u resumes".into(),
            Phase::Waiting => "starting…".into(),
            Phase::Running => match h.seconds_left() {
                _ if h.features.is_some() => "after the features".into(),
                Some(seconds) => format!("{} left", figure::seconds(seconds, TAIL - 5)),
                None => "measuring the pace…".into(),
            },
            Phase::Paused => match &h.waiting {
                Some(why) => format!("waiting: {why}"),
                None => "paused".into(),
            },
            Phase::Finished => format!("trained {}", figure::seconds(spent, TAIL - 8)),
            Phase::Stopped => "stopped, u resumes".into(),
            // Which step it was says the message; the last one that was told comes before it.
            Phase::Failed => "failed, u resumes".into(),
        }
    }

    fn second_line(&self, position: RunPosition, width: usize) -> Line<'static> {
        if let Some((result, weights)) = self.history.scored()
            && let (Some(scores), subset) = match &result.test {
                None => (result.validation.as_ref(), Subset::Validation),
                test => (test.as_ref(), Subset::Test),
            }
        {
            return self.scores_line(scores, subset, weights, width);
        }
        if let Some(features) = &self.history.features {
            #[expect(clippy::cast_precision_loss, reason = "images are few")]
            let share = features.done as f64 / features.all.max(1) as f64;
            let tail = format!(
                "{} left of {}",
                text::seconds(features.seconds_left().ceil()),
                text::grouped(features.all as u64)
            );
            return self.bar_line("frozen features", share, &tail, width);
        }
        #[expect(clippy::cast_precision_loss, reason = "steps of an epoch are few")]
        let share = position.step_in_epoch as f64 / position.steps_per_epoch as f64;
        let label = place_label("step", position.step_in_epoch, position.steps_per_epoch);
        let tail = if position.evaluating && self.history.phase == Phase::Running && !self.lost {
            format!("{} pass…", self.history.held_out_name())
        } else {
            let speed = self.history.steps.last().map(|s| s.images_per_second);
            speed.map_or("–".into(), |s| {
                format!("{} images/s", figure::whole(s, 12))
            })
        };
        self.bar_line(&label, share, &self.with_path(tail), width)
    }

    /// What the scored weights make of the test set, or where it is not read of the validation set, as much as there is
    /// room for.
    fn scores_line(
        &self,
        scores: &Scores,
        subset: Subset,
        weights: Weights,
        width: usize,
    ) -> Line<'static> {
        let label = format!("{}, {}", subset.short(), weights.short(LABEL - 7));
        let mut spans = vec![Span::styled(left(&label, LABEL), self.theme.good())];
        let mut used = LABEL;
        for metric in METRICS {
            let (name, value) = (metric.label, metric.text(scores, 1, 8));
            used += name.len() + 1 + value.chars().count();
            if used > width {
                break;
            }
            spans.push(Span::styled(format!("{name} "), self.theme.dim()));
            spans.push(Span::styled(format!("{value}   "), self.theme.title()));
            used += 3;
        }
        Line::from(spans)
    }

    /// The path where the facts, which say it, have no row and the words leave room for it.
    fn with_path(&self, tail: String) -> String {
        match &self.history.started {
            Some(s) if !self.roomy && !s.backend.is_empty() => {
                let longer = format!("{tail} · {}", s.backend);
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
    pub(super) fn table(&self, width: usize) -> Vec<Line<'static>> {
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

    /// The figures of one model: of the scored weights when it is over, before that of the newest epoch, beside the
    /// best epoch so far.
    fn shown(&self) -> Shown {
        let h = self.history;
        if let Some((result, weights)) = h.scored() {
            let (test, on_test) = (result.test.as_ref(), h.curve_is_test());
            let held_out = if on_test {
                test
            } else {
                result.validation.as_ref()
            };
            return Shown {
                weights,
                train: Pair::of(result.train.as_ref()),
                held_out: Pair::of(held_out),
                third_heading: match test {
                    Some(_) if !on_test => "test".into(),
                    Some(_) => String::new(),
                    None => "no test".into(),
                },
                third: Pair::of(test.filter(|_| !on_test)),
                third_is_test: true,
            };
        }
        let best = h
            .best()
            .map(|e| (e.epoch, e.held_out.loss, e.held_out.accuracy));
        let (third_heading, third) = match best {
            Some((epoch, loss, accuracy)) => {
                (Weights::Best(epoch).short(14), Pair::new(loss, accuracy))
            }
            None => ("best @ –".into(), Pair::default()),
        };
        let (epoch, train, held_out) = if let Some(e) = h.epochs.last() {
            (
                e.epoch,
                Pair::new(e.train.loss, e.train.accuracy),
                Pair::new(e.held_out.loss, e.held_out.accuracy),
            )
        } else {
            let train = Pair {
                loss: self.running_mean(|s| s.loss),
                accuracy: self.running_mean(|s| s.accuracy),
            };
            (1, train, Pair::default())
        };
        Shown {
            weights: Weights::Epoch(epoch),
            train,
            held_out,
            third_heading,
            third,
            third_is_test: false,
        }
    }

    fn left_block(&self, wide: bool) -> Vec<Line<'static>> {
        let (t, h) = (self.theme, self.history);
        let fresh = if self.bright {
            Modifier::BOLD
        } else {
            Modifier::empty()
        };
        let shown = self.shown();
        let (train_width, held_width, third_width) = if wide { (12, 15, 17) } else { (9, 12, 16) };
        let train_style = if h.epochs.is_empty() {
            t.dim()
        } else {
            t.train()
        };
        let third_style = if shown.third_is_test {
            t.good()
        } else {
            t.text()
        };
        let row = |name: &str, of: fn(&Pair, usize) -> String| {
            let empty = shown.third_heading.is_empty();
            let third = if empty {
                String::new()
            } else {
                of(&shown.third, third_width - 2)
            };
            Line::from(vec![
                Span::styled(left(name, 10), t.dim()),
                Span::styled(
                    right(&of(&shown.train, train_width - 1), train_width),
                    train_style.add_modifier(fresh),
                ),
                Span::styled(
                    right(&of(&shown.held_out, held_width - 2), held_width),
                    t.held_out().add_modifier(fresh),
                ),
                Span::styled(right(&third, third_width), third_style),
            ])
        };
        let header = Line::from(vec![
            Span::styled(left(&shown.weights.short(10), 10), t.text()),
            Span::styled(right("train", train_width), t.dim()),
            Span::styled(right(h.held_out_name(), held_width), t.dim()),
            Span::styled(right(&shown.third_heading, third_width), t.dim()),
        ]);
        vec![
            header,
            row("loss", |pair, width| {
                pair.loss.map_or("–".into(), |v| figure::loss(v, width))
            }),
            row("accuracy", |pair, width| {
                pair.accuracy
                    .map_or("–".into(), |v| figure::percent(v, 1, width))
            }),
            self.gap_line(if wide { 62 } else { 49 }),
            if self.roomy {
                self.compute_line(if wide { 60 } else { 48 })
            } else {
                self.short_breakdown()
            },
        ]
    }

    /// The gap of the same weights as the figures above it, and what to know of them.
    fn gap_line(&self, room: usize) -> Line<'static> {
        let (t, h) = (self.theme, self.history);
        let mut spans = vec![Span::styled(left("gap", 10), t.dim())];
        let Some(standing) = h.standing() else {
            spans.push(Span::styled(right("–", 9), t.dim()));
            return Line::from(spans);
        };
        let (style, words) = match overfitting_since(&h.epochs) {
            Some(epoch) => {
                let epoch = figure::count(epoch as u64, 7);
                (
                    t.warn(),
                    [
                        format!("overfitting since epoch {epoch}"),
                        format!("overfitting since {epoch}"),
                    ],
                )
            }
            None if standing.subset == Subset::Test => {
                let best = "best = lowest training loss";
                (t.dim(), [best.into(), "best: training loss".into()])
            }
            None => (t.dim(), [String::new(), String::new()]),
        };
        let gaps = [figure::ANY, 12].map(|width| standing.gap_in_words(width));
        // Both in full, or the words shorter, or both.
        let ways = [(0, 0), (0, 1), (1, 1)].map(|(gap, word)| {
            (
                right(&gaps[gap], gaps[gap].chars().count().max(11)),
                words[word].clone(),
            )
        });
        let width = |way: &(String, String)| 10 + way.0.chars().count() + 2 + way.1.chars().count();
        let chosen = ways
            .iter()
            .find(|way| width(way) < room)
            .unwrap_or(&ways[2]);
        spans.push(Span::styled(chosen.0.clone(), t.text()));
        spans.push(Span::styled(format!("  {}", chosen.1), style));
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
        let device = format!("{}{threads}", s.device);
        let what = if s.backend.is_empty() {
            device
        } else {
            format!("{} · {device}", s.backend)
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
        let waits = b.is_some_and(|b| b.wait > 0.0);
        let mut parts = vec![
            ("load", b.map(|b| b.load)),
            (if waits { "fwd" } else { "forward" }, b.map(|b| b.forward)),
            (
                if waits { "bwd" } else { "backward" },
                b.map(|b| b.backward),
            ),
            ("update", b.map(|b| b.update)),
        ];
        if waits {
            parts.insert(1, ("wait", b.map(|b| b.wait)));
        }
        for (name, share) in parts {
            let share = share.map_or("–".into(), |s| figure::fixed(s * 100.0, 0, 3));
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
        vec![
            row(
                "learning rate",
                h.learning_rate.map(|rate| figure::learning_rate(rate, 9)),
                rates,
            ),
            row(
                "step loss",
                last.map(|s| figure::loss(s.loss, 9)),
                all(|s| s.loss),
            ),
            row(
                "gradient norm",
                last.map(|s| figure::norm(s.gradient_norm, 9)),
                all(|s| s.gradient_norm),
            ),
            row(
                "images/s",
                last.map(|s| figure::whole(s.images_per_second, 9)),
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
        let cpu = now.map_or("–".into(), |l| {
            format!("{} %", figure::fixed(l.cpu_percent, 0, 6))
        });
        let memory = now.map_or("–".into(), |l| text::bytes(l.memory_bytes));
        let gpu = match now.and_then(|l| l.gpu_percent) {
            Some(percent) => format!("{} %", figure::fixed(percent, 0, 4)),
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
    pub(super) fn breakdown(&self, width: usize) -> Line<'static> {
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
        let wait = figure::percent(b.wait, 0, 6);
        // What is waited for is a part of loading.
        let wait = (b.wait > 0.0).then(|| format!("waiting for the disk {}", wait.trim()));
        let told = 17 + 62 + wait.as_ref().map_or(0, String::len);
        let bar = width.saturating_sub(told).min(60);
        let sign = if t.ascii { "=" } else { "━" };
        for (_, share, style) in parts {
            spans.push(Span::styled(sign.repeat(columns(share, bar)), style));
        }
        let used: usize = parts.iter().map(|(_, share, _)| columns(*share, bar)).sum();
        spans.push(Span::raw(" ".repeat((bar + 2).saturating_sub(used))));
        for (name, share, style) in parts {
            spans.push(Span::styled(format!("{name} "), style));
            spans.push(Span::styled(
                left(&figure::percent(share, 0, 6), 7),
                t.text(),
            ));
        }
        spans.extend(wait.map(|wait| Span::styled(wait, t.dim())));
        Line::from(spans)
    }

    /// What is trained on what.
    #[must_use]
    pub(super) fn facts(&self, width: usize) -> Line<'static> {
        let Some(s) = &self.history.started else {
            return Line::default();
        };
        let count = |n: usize| text::grouped(n as u64);
        let held = if s.curve_is_test {
            format!("{} test", count(s.test_images))
        } else {
            format!(
                "{} validation / {}",
                count(s.validation_images),
                match self.history.untested() {
                    Some(why) => format!("no test ({why})"),
                    None => format!("{} test", count(s.test_images)),
                }
            )
        };
        let mut parts = vec![
            format!("{} parameters", text::grouped(s.parameters)),
            format!("{}: {} train / {held}", s.dataset, count(s.train_images)),
            format!("batch {}", s.batch_size),
        ];
        if s.architecture != s.name {
            parts.insert(0, s.architecture.clone());
        }
        Line::styled(cut(&parts.join(" · "), width), self.theme.dim())
    }

    /// Messages from the newest, `skip` left out, in at most `rows` lines; a long one takes up to half of them.
    #[must_use]
    pub(super) fn messages(&self, skip: usize, rows: usize, width: usize) -> Vec<Line<'static>> {
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
