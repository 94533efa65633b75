//! Networks at random, by plan and through the graph, held to each other and to an f64 reference: array by array.
//!
//! `every_kind_agrees` draws small networks around every kind of the list, `networks_agree_…` take 200 of all kinds,
//! with fixed seeds. With a fresh seed, as many as wanted: `FMTUI_NETWORKS=5000 cargo test --release --test
//! random_networks fresh -- --ignored --nocapture` (`FMTUI_SEED` repeats one). A failure is shrunk, its recipe printed
//! and left beside a data set, so that `fmtui train` repeats it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "tests fail by panicking and say what they counted; sizes are small"
)]

mod compare;
mod draw;
mod elsewhere;
mod generator;
mod kinds;
mod known;
mod reference;
#[path = "../support/skip.rs"]
mod skip;

use std::cell::RefCell;

use compare::{Bench, Counts};
use fmtui::kinds_of_layers;
use generator::{Case, Networks, any, around};
use kinds::Values;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

fn check(case: &Case, device: &'static str) -> Result<Counts, String> {
    let mut bench = Bench::on(case, device).mixing();
    bench.check()?;
    Ok(bench.counts)
}

/// Draws networks from a seed and holds each, planned on a device; panics with the smallest that fails.
fn hold(networks: Networks, seed: u64, count: u32, device: &'static str) -> Counts {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let total = RefCell::new(Counts::default());
    let outcome = TestRunner::new_with_rng(config, rng).run(&networks, |case| {
        let counts = check(&case, device).map_err(TestCaseError::fail)?;
        *total.borrow_mut() += counts;
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => {
            panic!("seed {seed}: {why}\n{case:?}\n{}", files(&case));
        }
        Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
    }
    let total = total.into_inner();
    assert!(
        total.excused * 50 <= total.arrays,
        "more than 2 % are excused: {total:?}"
    );
    assert!(
        total.refused * 10 <= count as usize,
        "too many networks are not trained: {total:?}"
    );
    total
}

/// Holds networks of any layers.
fn networks(seed: u64, count: u32, device: &'static str) {
    let total = hold(Networks(any), seed, count, device);
    eprintln!("seed {seed}: {count} networks, {total:?}");
}

/// Shapes, gradients against the f64 reference, and plan against graph: for every kind, on maps and vectors.
#[test]
fn every_kind_agrees() {
    fn one<K: Values>() {
        let total = hold(Networks(around::<K>), 1, 30, "cpu");
        eprintln!("{}: {total:?}", std::any::type_name::<K>());
    }
    kinds_of_layers!(each one());
}

/// Leaves what repeats a failure with the program; says where.
fn files(case: &Case) -> String {
    let place =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("network-{}", case.seed));
    if !case.fits_files() {
        return "(no data set of the program has such images or so many classes)".into();
    }
    let set = place.join("data/random");
    std::fs::create_dir_all(&set).unwrap();
    let mut profile = case.profile.clone();
    profile.data.name = "random".into();
    std::fs::write(place.join("network.toml"), profile.to_toml()).unwrap();
    let count = 2 * profile.train.batch_size + case.last;
    let dataset = compare::dataset(case, count.max(case.classes), &|i| (i % case.classes) as u8);
    let sides = [dataset.height as u32, dataset.width as u32];
    for (part, examples) in [("train", &dataset.train), ("t10k", &dataset.train)] {
        let number = examples.len() as u32;
        let write = |name: &str, kind: u8, sizes: &[u32], values: &[u8]| {
            let mut bytes = vec![0, 0, 8, kind];
            bytes.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
            bytes.extend(values);
            std::fs::write(set.join(format!("{part}-{name}-ubyte")), bytes).unwrap();
        };
        write(
            "images-idx3",
            3,
            &[number, sides[0], sides[1]],
            &(0..examples.len())
                .flat_map(|index| dataset.image(index).unwrap())
                .collect::<Vec<_>>(),
        );
        let labels: Vec<u8> = examples.labels.iter().map(|l| *l as u8).collect();
        write("labels-idx1", 1, &[number], &labels);
    }
    let place = place.display();
    format!(
        "fmtui train {place}/network.toml --data-dir {place}/data --set train.backend=plan (and graph)"
    )
}

#[test]
fn networks_agree_a() {
    networks(1, 50, "cpu");
}

#[test]
fn networks_agree_b() {
    networks(2, 50, "cpu");
}

#[test]
fn networks_agree_c() {
    networks(3, 50, "cpu");
}

#[test]
fn networks_agree_d() {
    networks(4, 50, "cpu");
}

#[test]
#[ignore = "as long as wanted, with a fresh seed"]
fn fresh_networks_agree() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = number("FMTUI_SEED").unwrap_or(now.as_secs());
    networks(seed, number("FMTUI_NETWORKS").unwrap_or(1000) as u32, "cpu");
}

/// Plans on a GPU against the graph on the CPU.
#[cfg(feature = "cuda")]
#[test]
fn networks_agree_on_a_gpu() {
    match fmtui::nn::device::select("cuda") {
        Ok(_) => networks(6, 200, "cuda"),
        Err(error) => skip::skipped(&error.to_string()),
    }
}
