//! What a measurement says: a line of JSON for programs, a row of the table for people.

use serde::{Deserialize, Serialize};

use crate::commands::answer;
use crate::event::Breakdown;
use crate::headless::Table;
use crate::profile::Profile;
use crate::text;
use crate::train::PieceTime;
use crate::train::bench::{BenchOptions, BenchResult};

/// One preset's figures, as they are printed with `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The version of what is printed.
    format: u32,
    /// Always `fmtui`; the scripts that measure others put theirs here.
    fw: String,
    /// The recipe's name.
    pub name: String,
    backend: String,
    device: String,
    threads: usize,
    /// Instruction set of the CPU kernels.
    kernels: String,
    dataset: String,
    batch_size: usize,
    parameters: u64,
    /// Training, images a second.
    chunks: Vec<f64>,
    images_per_second: f64,
    /// Evaluation, images a second.
    evaluation_chunks: Vec<f64>,
    evaluation_images_per_second: f64,
    breakdown: Breakdown,
    /// The process's peak: after all, and before evaluation.
    peak_memory_bytes: u64,
    training_peak_memory_bytes: u64,
    loss: f64,
    accuracy: f64,
    /// Where a planned step's time went, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
}

impl Report {
    pub(super) fn new(profile: &Profile, measured: &BenchResult) -> Self {
        let [training, whole] = measured.peak_memory;
        Self {
            format: answer::FORMAT,
            fw: "fmtui".into(),
            name: profile.name.clone(),
            backend: measured.backend.into(),
            device: measured.device.clone(),
            threads: measured.threads,
            kernels: crate::kernels::cpu::isa().name().into(),
            dataset: profile.data.name.clone(),
            batch_size: profile.train.batch_size,
            parameters: measured.parameters,
            chunks: rounded(&measured.training),
            images_per_second: round(median(&measured.training)),
            evaluation_chunks: rounded(&measured.evaluation),
            evaluation_images_per_second: round(median(&measured.evaluation)),
            breakdown: measured.breakdown,
            peak_memory_bytes: whole,
            training_peak_memory_bytes: training,
            loss: measured.loss,
            accuracy: measured.accuracy,
            pieces: measured.pieces.iter().map(Piece::new).collect(),
        }
    }

    /// What all rows of a table have in common.
    pub(super) fn circumstances(&self, effort: BenchOptions) -> String {
        format!(
            "{} · {}, {}, {} · batches of {} · {}, timed {}",
            self.dataset,
            self.device,
            text::count(self.threads, "thread"),
            self.kernels,
            self.batch_size,
            text::count(effort.steps, "step"),
            text::count(effort.chunks, "time")
        )
    }
}

/// A piece of a planned step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub name: String,
    /// Of one thread, per step.
    pub microseconds: f64,
    /// Of one thread; 0 where the work is no product.
    pub gflops: f64,
}

impl Piece {
    fn new(time: &PieceTime) -> Self {
        Self {
            name: time.name.clone(),
            microseconds: round(time.seconds * 1e6),
            gflops: round(time.gflops),
        }
    }
}

/// Where the time of a planned step goes, for people: one thread's, per step.
pub(super) fn pieces(report: &Report) -> Table {
    let mut table = Table::new(&["piece", ">µs a step", ">share", ">GFLOP/s"]);
    let total: f64 = report.pieces.iter().map(|p| p.microseconds).sum();
    for piece in &report.pieces {
        table.row([
            piece.name.clone(),
            format!("{:.0}", piece.microseconds),
            format!("{:.1} %", 100.0 * piece.microseconds / total.max(1e-9)),
            match piece.gflops {
                0.0 => "–".into(),
                gflops => format!("{gflops:.0}"),
            },
        ]);
    }
    table
}

/// The table for people.
pub(super) fn table(reports: &[Report]) -> Table {
    let mut table = Table::new(&[
        "preset",
        ">parameters",
        "backend",
        ">images/s",
        ">min–max",
        ">eval. images/s",
        ">load",
        ">forward",
        ">backward",
        ">update",
        ">training memory",
        ">evaluation",
    ])
    .dispensing_with(&[
        "parameters",
        "evaluation",
        "min–max",
        "backend",
        "load",
        "update",
    ]);
    for r in reports {
        let b = r.breakdown;
        let [mut load, wait, forward, backward, update] =
            [b.load, b.wait, b.forward, b.backward, b.update]
                .map(|s| format!("{:.0} %", s * 100.0));
        if b.wait > 0.0 {
            load = format!("{load}, {wait} for the disk");
        }
        let (lowest, highest) = (
            r.chunks.iter().copied().fold(f64::INFINITY, f64::min),
            r.chunks.iter().copied().fold(0.0, f64::max),
        );
        table.row([
            r.name.clone(),
            text::grouped(r.parameters),
            r.backend.clone(),
            speed(r.images_per_second),
            format!("{}–{}", speed(lowest), speed(highest)),
            speed(r.evaluation_images_per_second),
            load,
            forward,
            backward,
            update,
            text::bytes(r.training_peak_memory_bytes),
            text::bytes(r.peak_memory_bytes),
        ]);
    }
    table
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn speed(images_per_second: f64) -> String {
    text::grouped(images_per_second.round() as u64)
}

fn rounded(values: &[f64]) -> Vec<f64> {
    values.iter().copied().map(round).collect()
}

/// To one decimal, as the other scripts print.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The mean of the two in the middle where there is no middle; 0 of nothing.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let measured = BenchResult {
            backend: "graph",
            device: "cpu".into(),
            threads: 2,
            parameters: 94_160,
            training: vec![90_000.04, 110_000.0, 100_000.0],
            evaluation: vec![300_000.0, 400_000.0],
            breakdown: Breakdown {
                load: 0.1,
                forward: 0.3,
                backward: 0.4,
                update: 0.2,
                wait: 0.0,
            },
            pieces: vec![PieceTime {
                name: "product 1→2".into(),
                seconds: 0.25e-3,
                gflops: 99.9,
            }],
            loss: 0.5,
            accuracy: 0.8,
            peak_memory: [100 << 20, 200 << 20],
        };
        Report::new(&Profile::new("mlp"), &measured)
    }

    #[test]
    fn the_middle_of_the_chunks_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        let report = report();
        assert_eq!(
            (
                report.images_per_second,
                report.evaluation_images_per_second
            ),
            (1e5, 3.5e5)
        );
        assert_eq!(
            (report.training_peak_memory_bytes, report.peak_memory_bytes),
            (100 << 20, 200 << 20)
        );
        assert_eq!(report.chunks[0], 90_000.0);
    }

    #[test]
    fn a_row_has_every_figure() {
        let lines = table(&[report()]).lines();
        for part in [
            "94,160",
            "graph",
            "100,000",
            "90,000–110,000",
            "350,000",
            "10 %",
            "20 %",
            "100 MiB",
            "200 MiB",
        ] {
            assert!(lines[1].contains(part), "{part} not in {}", lines[1]);
        }
    }

    #[test]
    fn pieces_have_their_share() {
        let lines = pieces(&report()).lines();
        for part in ["product 1→2", "250", "100.0 %", "100"] {
            assert!(lines[1].contains(part), "{part} not in {}", lines[1]);
        }
    }

    #[test]
    fn a_report_survives_its_json() {
        let text = serde_json::to_string(&report()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    }
}
