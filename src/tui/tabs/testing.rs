//! What the tabs' tests draw: a small data set, a run's history, predictions; and how they draw it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "made-up figures are small"
)]

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::{Frame, Terminal};

use crate::data::{Dataset, Examples, InMemory, Store};
use crate::error::Result;
use crate::event::{EpochEnd, Event, RunHistory, Stamped, Started};
use crate::metrics::predictions::{Prediction, Predictions};
use crate::metrics::{Confusion, Scores};
use crate::profile::ResultRecord;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::run_view::RunView;
use crate::tui::tab::{Effect, Mouse, Tab};
use crate::tui::theme::{ColorDepth, Palette, Theme};

pub(crate) const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// A trained network's counts on the 10,000 test images of Fashion-MNIST.
const COUNTS: [[u32; 10]; 10] = [
    [861, 0, 14, 16, 4, 1, 97, 0, 7, 0],
    [2, 981, 0, 12, 2, 0, 2, 0, 1, 0],
    [15, 1, 859, 7, 61, 0, 57, 0, 0, 0],
    [13, 4, 9, 921, 24, 0, 28, 0, 1, 0],
    [0, 1, 49, 22, 872, 0, 55, 0, 1, 0],
    [0, 0, 0, 0, 0, 981, 0, 14, 1, 4],
    [99, 0, 60, 24, 74, 0, 735, 0, 8, 0],
    [0, 0, 0, 0, 0, 7, 0, 976, 0, 17],
    [3, 0, 2, 4, 3, 1, 3, 3, 981, 0],
    [0, 0, 0, 0, 0, 5, 1, 33, 0, 961],
];

pub(crate) fn names(classes: usize) -> Vec<String> {
    (0..classes)
        .map(|i| {
            CLASSES
                .get(i)
                .map_or_else(|| format!("class {i}"), |c| (*c).to_owned())
        })
        .collect()
}

/// The finished matrix, with errors moved back from the diagonal for earlier epochs; `scale` images a class.
pub(crate) fn confusion(epoch: usize, scale: u32) -> Confusion {
    let mut counts: Vec<Vec<u32>> = COUNTS.iter().map(|r| r.to_vec()).collect();
    for (i, row) in counts.iter_mut().enumerate() {
        let worse = 2.0 / epoch.max(1) as f64;
        let mut moved = 0;
        for (j, count) in row.iter_mut().enumerate() {
            if i != j {
                let more = (f64::from(*count) * worse) as u32;
                *count += more;
                moved += more;
            }
        }
        row[i] = row[i].saturating_sub(moved);
        for count in row.iter_mut() {
            *count = *count * scale / 1000;
        }
    }
    Confusion { counts }
}

pub(crate) fn started() -> Started {
    Started {
        format: 1,
        run: "20261123-160211-modern-lenet".into(),
        name: "modern-lenet".into(),
        architecture: "modern-lenet".into(),
        dataset: "fashion-mnist-mini".into(),
        classes: names(10),
        parameters: 211_437,
        trained_parameters: 211_437,
        multiply_adds: 6_000_000,
        epochs: 20,
        steps_per_epoch: 938,
        batch_size: 64,
        train_images: 55_000,
        validation_images: 5_000,
        test_images: 10_000,
        no_test_set: false,
        curve_is_test: false,
        device: "cpu".into(),
        threads: 8,
        backend: "graph".into(),
        learning_rate: 1e-3,
        patience: 10,
        resumed_at_step: 0,
    }
}

/// A run after so many epochs, still running or finished.
pub(crate) fn history(epochs: usize, finished: bool) -> RunHistory {
    let mut history = RunHistory::default();
    let mut tell = |event| history.apply(&Stamped { at: 1e9, event });
    tell(Event::Started(Box::new(started())));
    for epoch in 1..=epochs {
        let confusion = confusion(epoch, 500);
        tell(Event::EpochEnd(Box::new(EpochEnd {
            epoch,
            train: Scores::running(0.0561, 0.98),
            held_out: Scores {
                top3_accuracy: 0.991,
                ..Scores::new(0.2904 + 0.3 / epoch as f64, 0, confusion)
            },
            best_epoch: epoch,
            ..EpochEnd::default()
        })));
    }
    if finished {
        let result = ResultRecord {
            epochs,
            best_epoch: epochs,
            train: Some(Scores::new(0.0212, 54_990, confusion(90, 5_500))),
            validation: Some(Scores::new(0.2904, 4_960, confusion(60, 500))),
            test: Some(Scores::new(0.2957, 9_912, confusion(50, 1000))),
            ..ResultRecord::default()
        };
        tell(Event::Finished {
            complete: true,
            reason: format!("all {epochs} epochs done"),
            result: Box::new(result),
        });
    }
    history
}

/// A set of rings and bars, one thickness a class.
pub(crate) fn dataset(classes: usize, per_class: usize) -> Dataset {
    let examples = |count: usize, shift: usize| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for i in 0..count * classes {
            let label = i % classes;
            labels.push(label as u16);
            for y in 0..28_usize {
                for x in 0..28_usize {
                    let far = x.abs_diff(14).max(y.abs_diff(13)) + (i / classes + shift) % 3;
                    let inside = far < 12 && far > label && !(x + label).is_multiple_of(label + 2);
                    pixels.push(if inside { (40 + far * 18) as u8 } else { 0 });
                }
            }
        }
        let images = InMemory {
            pixels,
            channels: 1,
            height: 28,
            width: 28,
        };
        Examples::in_memory(images, labels)
    };
    Dataset {
        name: "fashion-mnist-mini".into(),
        classes: names(classes),
        channels: 1,
        height: 28,
        width: 28,
        train: examples(per_class, 0),
        validation: Examples::default(),
        test: examples(per_class / 2, 1),
        source: "built in".into(),
        sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b".into(),
        pixels_sha256: String::new(),
        remarks: Vec::new(),
        excluded: Vec::new(),
    }
}

/// Images in colours of two sizes, one colour a class; the last class is empty.
#[derive(Debug)]
struct Colored {
    channels: usize,
    sizes: Vec<(usize, usize)>,
}

impl Store for Colored {
    fn size(&self, index: usize) -> (usize, usize) {
        self.sizes[index % self.sizes.len()]
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        let (height, width) = self.size(index);
        assert_eq!(out.len(), self.channels * height * width);
        for (at, value) in out.iter_mut().enumerate() {
            let (channel, y, x) = (at / (height * width), at / width % height, at % width);
            let inside = x * 4 / width % 3 > 0 && y * 4 / height % 3 > 0;
            *value = match channel {
                3 => 255 * u8::from(inside || !index.is_multiple_of(2)),
                _ if !inside => 40 * channel as u8,
                _ if channel == index % 3 => 250 - (index / 3 % 8) as u8 * 10,
                _ => 30 + (x * 60 / width) as u8,
            };
        }
        Ok(())
    }

    fn announce(&self, _: usize) {}

    fn bytes(&self) -> u64 {
        0
    }
}

/// A set in colours of images of these heights and widths, without a test set, with a validation set of its own.
pub(crate) fn colored(channels: usize, sizes: &[(usize, usize)]) -> Dataset {
    let examples = |count: usize| Examples {
        images: Arc::new(Colored {
            channels,
            sizes: sizes.to_vec(),
        }),
        labels: (0..count).map(|i| (i % 3) as u16).collect(),
    };
    Dataset {
        name: "signs".into(),
        classes: ["red", "green", "blue", "none"].map(String::from).into(),
        channels,
        height: sizes.iter().map(|size| size.0).max().unwrap_or(0),
        width: sizes.iter().map(|size| size.1).max().unwrap_or(0),
        train: examples(30),
        validation: examples(9),
        test: Examples::default(),
        ..dataset(0, 0)
    }
}

/// Predictions of every test image of `dataset`: every third is wrong, more and less surely.
pub(crate) fn predictions(dataset: &Dataset, epoch: u32) -> Predictions {
    let classes = dataset.classes.len().max(1);
    let first = dataset.train.len();
    let items = dataset.test.labels.iter().enumerate().map(|(i, label)| {
        let label_at = usize::from(*label);
        let wrong = usize::from(i.is_multiple_of(3));
        let top = [0, 1, 2].map(|k| ((label_at + k * 3 + wrong * 6) % classes) as u16);
        let sure = 0.5 + (i % 50) as f32 / 101.0;
        Prediction {
            index: (first + i) as u32,
            label: *label,
            top: [top[0], top[1], top[2], 0, 0],
            probability: [sure, (1.0 - sure) * 0.7, (1.0 - sure) * 0.2, 0.0, 0.0],
        }
    });
    Predictions {
        is_test: true,
        epoch,
        ranks: 3,
        items: items.collect(),
        ..Predictions::default()
    }
}

pub(crate) fn theme() -> Theme {
    Theme::new(Palette::Dark, ColorDepth::TrueColor, false)
}

/// What else a terminal may be.
fn other_themes() -> [Theme; 5] {
    [
        Theme::new(Palette::Light, ColorDepth::TrueColor, false),
        Theme::new(Palette::ColorBlind, ColorDepth::TrueColor, false),
        Theme::new(Palette::Dark, ColorDepth::Ansi256, false),
        Theme::new(Palette::Dark, ColorDepth::Ansi16, false),
        Theme::new(Palette::Mono, ColorDepth::Mono, true),
    ]
}

/// A tab with what the app lends it, so that a test need not hand it over each time.
pub(crate) struct Lent<T> {
    pub tab: T,
    pub cx: Context,
}

/// A tab while there is no run.
pub(crate) fn lent<T: Tab>(tab: T) -> Lent<T> {
    let cx = Context::new(theme());
    Lent { tab, cx }
}

impl<T: Tab> Lent<T> {
    /// With this run on the screen.
    pub(crate) fn with(mut self, run: &str, history: RunHistory) -> Self {
        self.show(run, history);
        self
    }

    pub(crate) fn show(&mut self, run: &str, history: RunHistory) {
        let before = self.cx.run.history().map(|(run, _)| run.to_owned());
        self.cx.run = RunView::of(run, history);
        if before.as_deref() != Some(run) {
            self.tab.on_other_run();
        }
    }

    /// As the app does it.
    pub(crate) fn on_action(&mut self, action: Action) -> Effect {
        let effect = self.tab.on_action(action, &self.cx);
        if let Effect::PlayBack(playback) = effect {
            self.cx.run.play_back(playback);
        }
        effect
    }

    pub(crate) fn on_mouse(&mut self, mouse: Mouse) -> Effect {
        self.tab.on_mouse(mouse, &self.cx)
    }

    pub(crate) fn render(&mut self, frame: &mut Frame, area: Rect, theme: &Theme) {
        self.cx.theme = *theme;
        self.tab.render(frame, area, &self.cx);
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.tab
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.tab
    }
}

/// The tab's content in a terminal of this size: one header and one footer line belong to the app.
pub(crate) fn draw<T: Tab>(tab: &mut Lent<T>, width: u16, height: u16, theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let area = Rect::new(0, 1.min(height), width, height.saturating_sub(2));
    terminal
        .draw(|frame| tab.render(frame, area, theme))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// The text alone, for snapshots.
pub(crate) fn text(buffer: &Buffer) -> String {
    let lines: Vec<String> = (0..buffer.area.height)
        .map(|y| {
            let line: String = (0..buffer.area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect();
            line.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// Draws at every small size and some others, in colour and in plain signs; nothing is more than the terminal can show.
pub(crate) fn survives<T: Tab>(tab: &mut Lent<T>) {
    let plain = Theme::new(Palette::Mono, ColorDepth::Mono, true);
    for theme in [theme(), plain] {
        for width in 0..=40 {
            for height in 0..=20 {
                shows_no_more_than_can_be(&draw(tab, width, height, &theme), &theme);
            }
        }
    }
    for theme in other_themes().into_iter().chain([theme()]) {
        for (width, height) in [(80, 5), (80, 24), (41, 40), (20, 60), (120, 40), (200, 50)] {
            shows_no_more_than_can_be(&draw(tab, width, height, &theme), &theme);
        }
    }
}

/// No colour that the terminal does not have, and no sign outside ASCII where there is only that.
fn shows_no_more_than_can_be(buffer: &Buffer, theme: &Theme) {
    for cell in buffer.content() {
        for color in [cell.fg, cell.bg] {
            let fits = match theme.depth() {
                ColorDepth::TrueColor => true,
                ColorDepth::Ansi256 => !matches!(color, Color::Rgb(..)),
                ColorDepth::Ansi16 => !matches!(color, Color::Rgb(..) | Color::Indexed(16..)),
                ColorDepth::Mono => color == Color::Reset,
            };
            assert!(fits, "{color:?} in {:?}", theme.depth());
        }
        assert!(
            !theme.ascii || cell.symbol().is_ascii(),
            "{:?}",
            cell.symbol()
        );
    }
}
