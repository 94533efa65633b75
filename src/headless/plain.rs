//! Events as lines for people and for log files: no escapes, nothing redrawn.

use super::Output;
use crate::error::Result;
use crate::event::{EpochEnd, Event, Observer, Stamped, Started, Step, changed};
use crate::metrics::MACRO_F1;
use crate::metrics::Scores;
use crate::profile::{ResultRecord, why_untested};
use crate::text::{self, figure};

/// Seconds between two lines about steps.
const STEP_PERIOD: f64 = 15.0;

/// The widest loss.
const LOSS: usize = 9;

/// Prints lines.
pub(crate) struct Plain {
    out: Output,
    wording: Wording,
    last_step_at: f64,
}

impl Plain {
    #[must_use]
    pub(crate) fn new(out: Output) -> Self {
        Self {
            out,
            wording: Wording::default(),
            last_step_at: 0.0,
        }
    }
}

impl Observer for Plain {
    fn on_event(&mut self, stamped: &Stamped) -> Result<()> {
        for line in self.wording.lines(&stamped.event) {
            self.out.line(line)?;
        }
        match &stamped.event {
            Event::Started(_) | Event::EpochEnd(_) => self.last_step_at = stamped.at,
            Event::Step(step) if stamped.at - self.last_step_at >= STEP_PERIOD => {
                self.last_step_at = stamped.at;
                self.out.line(self.wording.step(step))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Events in words; remembers what a run is like.
#[derive(Default)]
pub(super) struct Wording {
    epochs: usize,
    total_steps: u64,
    held_out: &'static str,
    /// Why there are no test scores.
    untested: Option<&'static str>,
}

impl Wording {
    /// What is said of an event; nothing of steps and loads.
    pub(super) fn lines(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::Started(started) => self.started(started),
            Event::EpochEnd(end) => vec![self.epoch(end)],
            Event::Paused { step } => vec![format!("paused after step {step}")],
            Event::Waiting { step, why } => vec![format!("waiting after step {step}: {why}")],
            Event::Continued { step } => vec![format!("continued at step {step}")],
            Event::Changed {
                what,
                from,
                to,
                step,
            } => vec![changed(what, *from, *to, *step)],
            Event::Warning { message } => vec![format!("warning: {message}")],
            Event::Note { message } => vec![message.clone()],
            Event::CheckpointSaved { kind, epoch, step } if kind == "last" && *step > 0 => {
                vec![format!("checkpoint saved at step {step} (epoch {epoch})")]
                    .into_iter()
                    .filter(|_| !self.is_whole_epoch(*step))
                    .collect()
            }
            Event::Finished { reason, result, .. } => self.finished(reason, result),
            Event::Failed { message, remedy } => {
                let mut lines = vec![format!("failed: {message}")];
                if !remedy.is_empty() && !message.contains(remedy.as_str()) {
                    lines.push(format!("remedy: {remedy}"));
                }
                lines
            }
            Event::Features(features) if features.done == features.all => vec![features.told()],
            Event::Step(_)
            | Event::Features(_)
            | Event::CheckpointSaved { .. }
            | Event::Load(_) => Vec::new(),
        }
    }

    /// A checkpoint at the end of an epoch goes without saying.
    fn is_whole_epoch(&self, step: u64) -> bool {
        let per_epoch = self.total_steps / self.epochs.max(1) as u64;
        per_epoch > 0 && step.is_multiple_of(per_epoch)
    }

    fn started(&mut self, started: &Started) -> Vec<String> {
        self.epochs = started.epochs;
        self.untested = (started.test_images == 0).then(|| why_untested(started.no_test_set));
        self.total_steps = started.epochs as u64 * started.steps_per_epoch;
        self.held_out = if started.curve_is_test {
            "test"
        } else {
            "validation"
        };
        let mut lines = vec![
            format!("run {}", started.run),
            format!(
                "{} on {}: {} parameters, {} multiply-adds per image",
                started.architecture,
                started.dataset,
                text::grouped(started.parameters),
                text::short_count(started.multiply_adds)
            ),
            format!(
                "{} training, {} validation, {} test images; {} of {}, batches of {}; {}, {}{}",
                text::grouped(started.train_images as u64),
                text::grouped(started.validation_images as u64),
                match started.test_images {
                    0 => "no".into(),
                    count => text::grouped(count as u64),
                },
                text::count(started.epochs, "epoch"),
                text::count(
                    usize::try_from(started.steps_per_epoch).unwrap_or(usize::MAX),
                    "step"
                ),
                started.batch_size,
                started.device,
                text::count(started.threads, "thread"),
                path(started)
            ),
        ];
        if started.resumed_at_step > 0 {
            let step = started.resumed_at_step;
            lines.push(format!("resumes from the checkpoint at step {step}"));
        }
        lines
    }

    pub(super) fn step(&self, step: &Step) -> String {
        format!(
            "step {}/{}  loss {}  accuracy {}  {} images/s",
            step.step,
            self.total_steps,
            figure::loss(step.loss, figure::ANY),
            percent(step.accuracy),
            figure::whole(step.images_per_second, figure::ANY)
        )
    }

    fn epoch(&self, end: &EpochEnd) -> String {
        let held_out = &end.held_out;
        let held_out = if held_out.is_known() {
            format!(
                "  {} loss {} accuracy {}",
                self.held_out,
                figure::loss(held_out.loss, LOSS),
                percent(held_out.accuracy)
            )
        } else {
            String::new()
        };
        format!(
            "epoch {:>w$}/{}  train loss {} accuracy {}{held_out}  {}  {} images/s",
            end.epoch,
            self.epochs,
            figure::loss(end.train.loss, LOSS),
            percent(end.train.accuracy),
            text::seconds(end.seconds + end.evaluation_seconds),
            figure::whole(end.images_per_second, figure::ANY),
            w = self.epochs.to_string().len(),
        )
    }

    fn finished(&self, reason: &str, result: &ResultRecord) -> Vec<String> {
        let on_test = self.held_out == "test";
        let weights = result.weights(on_test).short(figure::ANY);
        let part = |name: &str, scores: &Option<Scores>| {
            scores.as_ref().map(|s| {
                format!(
                    "{name:<10}  loss {}  accuracy {}  F1 {}  ({weights})",
                    figure::loss(s.loss, LOSS),
                    figure::percent(s.accuracy, 2, figure::ANY),
                    MACRO_F1.text(s, 2, figure::ANY)
                )
            })
        };
        let parts = [
            part("train", &result.train),
            part("validation", &result.validation),
            part("test", &result.test).or_else(|| {
                let is_untested = result.is_scored(false) && result.test.is_none();
                let why = self
                    .untested
                    .map_or_else(String::new, |why| format!(": {why}"));
                is_untested.then(|| format!("test        no scores{why}"))
            }),
        ];
        std::iter::once(format!(
            "{reason}, {} of training ({} images/s, {} {})",
            text::seconds(result.seconds),
            figure::whole(result.images_per_second, figure::ANY),
            // Without a validation set the test set draws the curve, and chooses nothing.
            if on_test {
                "lowest training loss in epoch"
            } else {
                "best epoch"
            },
            result.best_epoch
        ))
        .chain(parts.into_iter().flatten())
        .chain(
            result
                .verdict()
                .map(|verdict| format!("warning: {verdict}")),
        )
        .collect()
    }
}

/// `, graph`; nothing where the log does not say.
fn path(started: &Started) -> String {
    match started.backend.as_str() {
        "" => String::new(),
        path => format!(", {path}"),
    }
}

fn percent(share: f64) -> String {
    figure::percent(share, 1, figure::ANY)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::output::tests::Kept;
    use super::*;
    use crate::profile::ResultRecord;

    /// The events of a small run.
    pub(crate) fn run() -> Vec<Event> {
        vec![
            Event::Started(Box::new(Started {
                format: 1,
                run: "20261123-160211-mlp-3f2a".into(),
                name: "mlp".into(),
                architecture: "mlp".into(),
                dataset: "fashion-mnist-mini".into(),
                classes: vec!["a".into(), "b".into()],
                parameters: 15_910,
                trained_parameters: 15_910,
                multiply_adds: 15_880,
                epochs: 2,
                steps_per_epoch: 10,
                batch_size: 200,
                train_images: 2000,
                validation_images: 0,
                test_images: 500,
                no_test_set: false,
                curve_is_test: true,
                device: "cpu".into(),
                threads: 2,
                backend: "graph".into(),
                learning_rate: 1e-3,
                patience: 0,
                resumed_at_step: 0,
            })),
            Event::Step(Step {
                step: 5,
                epoch: 1,
                loss: 2.0,
                accuracy: 0.25,
                images_per_second: 4096.4,
                elapsed_seconds: 1.0,
                ..Step::default()
            }),
            Event::EpochEnd(Box::new(EpochEnd {
                epoch: 1,
                step: 10,
                train: Scores::running(1.5, 0.5),
                held_out: Scores::running(1.25, 0.625),
                seconds: 2.0,
                images_per_second: 4000.0,
                ..EpochEnd::default()
            })),
            Event::Finished {
                complete: true,
                reason: "all 2 epochs done".into(),
                result: Box::new(ResultRecord {
                    best_epoch: 2,
                    epochs: 2,
                    seconds: 4.0,
                    images_per_second: 4000.0,
                    test: Some(Scores::of_accuracy(1.0, 0.7)),
                    ..ResultRecord::default()
                }),
            },
        ]
    }

    #[test]
    fn a_run_reads_as_lines() {
        let kept = Kept::default();
        let mut plain = Plain::new(kept.output());
        for (i, event) in run().into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            let at = 1000.0 + 20.0 * i as f64;
            plain.on_event(&Stamped { at, event }).unwrap();
        }
        assert_eq!(
            kept.text(),
            "run 20261123-160211-mlp-3f2a\n\
             mlp on fashion-mnist-mini: 15,910 parameters, 16 k multiply-adds per image\n\
             2,000 training, 0 validation, 500 test images; 2 epochs of 10 steps, batches of 200; cpu, 2 threads, graph\n\
             step 5/20  loss 2.0000  accuracy 25.0 %  4,096 images/s\n\
             epoch 1/2  train loss 1.5000 accuracy 50.0 %  test loss 1.2500 accuracy 62.5 %  2 s  4,000 images/s\n\
             all 2 epochs done, 4 s of training (4,000 images/s, lowest training loss in epoch 2)\n\
             test        loss 1.0000  accuracy 70.00 %  F1 0.7000  (last @ 2)\n"
        );
    }
}
