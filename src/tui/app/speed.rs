//! A measurement, not a check: `cargo test --release screen_speed -- --ignored --nocapture`.
//!
//! What a frame costs on a large terminal while a long run goes on, up to the bytes that would be sent.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ratatui::backend::CrosstermBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::*;
use crate::event::{EpochEnd, Event, Stamped, Step};
use crate::metrics::Scores;
use crate::tui::run_view::Link;
use crate::tui::tabs::testing;

const SIZE: (u16, u16) = (200, 50);
const FRAMES: u32 = 200;
const EPOCHS: u32 = 20;
/// Steps told in an epoch, as the training does.
const STEPS: u32 = 100;

/// Counts what would be sent.
#[derive(Clone, Default)]
struct Sink(Rc<Cell<usize>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn step(number: u32) -> Stamped {
    let wave = f64::from(number).sin() * 0.1;
    let step = Step {
        step: u64::from(number) * 9,
        epoch: (number / STEPS + 1) as usize,
        loss: 0.4 + wave,
        accuracy: 0.85 - wave / 4.0,
        learning_rate: 1e-3,
        gradient_norm: 1.0 + wave,
        images_per_second: 9_000.0 + 1_000.0 * wave,
        elapsed_seconds: f64::from(number) * 0.1,
        ..Step::default()
    };
    Stamped {
        at: 1e9 + f64::from(number) * 0.1,
        event: Event::Step(step),
    }
}

fn epoch(number: u32) -> Stamped {
    let confusion = testing::confusion(number as usize, 1000);
    let end = EpochEnd {
        epoch: number as usize,
        step: u64::from(number * STEPS) * 9,
        train: Scores::running(0.2, 0.93),
        held_out: Scores::new(0.3, 990, confusion),
        ..EpochEnd::default()
    };
    Stamped {
        at: 1e9 + f64::from(number * STEPS) * 0.1,
        event: Event::EpochEnd(Box::new(end)),
    }
}

/// In the middle of a long run, with its images and predictions.
fn busy_app() -> App {
    let settings = Settings {
        theme: testing::theme(),
        keymap: Keymap::default(),
        notify: crate::notify::Settings::default(),
        warnings: Vec::new(),
    };
    let mut app = App::new(settings, Vec::new(), Some(Profile::new("lenet5")));
    let mut events = vec![Stamped {
        at: 1e9,
        event: Event::Started(Box::new(testing::started())),
    }];
    for number in 1..=EPOCHS {
        events.extend(((number - 1) * STEPS..number * STEPS).map(step));
        events.push(epoch(number));
    }
    let run = testing::started().run;
    let dataset = Arc::new(testing::dataset(10, 200));
    let predictions = Some(testing::predictions(&dataset, EPOCHS));
    let link = Link::Live;
    for message in [
        Message::Opened {
            run: run.clone(),
            link,
            events,
        },
        Message::Dataset {
            dataset: Arc::clone(&dataset),
            for_data_tab: true,
        },
        Message::Dataset {
            dataset,
            for_data_tab: false,
        },
        Message::Predictions {
            run,
            kept: Box::new(crate::tui::context::KeptPredictions {
                latest: predictions.clone(),
                best: predictions,
                ..Default::default()
            }),
        },
    ] {
        app.update(Input::Message(message));
    }
    app
}

#[test]
#[ignore = "a measurement, not a check"]
fn screen_speed_of_frames() {
    let mut app = busy_app();
    let mut number = EPOCHS * STEPS;
    println!(
        "frames at {} × {}: median and longest milliseconds, bytes",
        SIZE.0, SIZE.1
    );
    for &tab in TabId::ALL {
        app.on_action(Action::GoToTab(tab));
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, SIZE.0, SIZE.1)),
        };
        let sink = Sink::default();
        let backend = CrosstermBackend::new(sink.clone());
        let mut terminal = Terminal::with_options(backend, options).unwrap();
        terminal.draw(|frame| app.render(frame)).unwrap();
        let first = sink.0.get();
        let mut taken: Vec<f64> = (0..FRAMES)
            .map(|_| {
                number += 1;
                app.update(Input::Message(Message::Events {
                    run: testing::started().run,
                    events: vec![step(number)],
                }));
                let begun = Instant::now();
                terminal.draw(|frame| app.render(frame)).unwrap();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        let (median, longest) = (taken[taken.len() / 2], taken[taken.len() - 1]);
        let sent = (sink.0.get() - first) as f64 / f64::from(FRAMES);
        println!(
            "{:<10} {median:>7.3} {longest:>7.3} {sent:>8.0}",
            tab.title()
        );
    }
}
