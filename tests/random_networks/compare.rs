//! One network held against itself: plan, graph, an f64 reference, other threads, other backends' weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use fmtui::data::{Batch, Dataset, Examples, InMemory, SplitDataset};
use fmtui::model::{Architecture, freeze};
use fmtui::profile::{Backend, Loss, OptimizerKind, Profile};
use fmtui::rng::{Purpose, Stream};
use fmtui::train::{Array, Learner, StateDict, Update, learners};

use super::generator::Case;
use super::reference::{Pass, Weights, loss};

/// Largest distance of a gradient, relative to its norm or a thousandth of the whole gradient's.
const NEAR: f64 = 1e-5;
/// The same of weights after three steps, relative to the way they have come, and of central differences.
const NEAR_AFTER: f64 = 1e-4;
const NEAR_DIFFERENCES: f64 = 1e-4;
/// One rounding of numbers about 1, as the loss's own gradient has them: sums that are zero but for that are the same.
const ROUNDING: f64 = 6e-8;
/// What is further apart is excused within so many times the distance that one unit in the last place of the weights
/// makes.
const EXCUSED: f64 = 20.0;
const PERTURBATIONS: u64 = 6;
/// Shows gradients as steps of plain SGD: so large that the weights' own rounding does not count.
const PROBE: f64 = 4096.0;

/// What was looked at, and what of it was only right within rounding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub arrays: usize,
    pub excused: usize,
    /// Networks that no backend trains: one image and a norm of single numbers, or outputs that are always the same.
    pub refused: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.arrays += other.arrays;
        self.excused += other.excused;
        self.refused += other.refused;
    }
}

/// Values by name, in f64.
type Arrays = BTreeMap<String, Vec<f64>>;

/// What a step of a batch gives.
#[derive(Clone, Default)]
pub struct Gradients {
    pub gradients: Arrays,
    /// Running means and variances after it.
    pub statistics: Arrays,
}

impl Gradients {
    /// For a file; every array as a vector.
    pub fn narrow(&self) -> StateDict {
        let all = self.gradients.iter().chain(&self.statistics);
        let narrow = |values: &Vec<f64>| values.iter().map(|v| *v as f32).collect();
        all.map(|(name, values)| {
            (
                name.clone(),
                Array {
                    shape: vec![values.len()],
                    values: narrow(values),
                },
            )
        })
        .collect()
    }

    pub fn wide(state: &StateDict) -> Self {
        let all = state
            .iter()
            .map(|(name, array)| (name.clone(), wide(&array.values)));
        let (statistics, gradients) = all.partition(|(name, _)| is_statistic(name));
        Self {
            gradients,
            statistics,
        }
    }
}

fn is_statistic(name: &str) -> bool {
    name.contains(".running_")
}

/// The images of a case, as a data set of the program where it can be one.
pub struct Images {
    pub data: Option<SplitDataset>,
    pub indices: Vec<Vec<u32>>,
    pub batches: Vec<Batch>,
}

impl Images {
    pub fn of(case: &Case) -> Self {
        let (channels, height, width) = case.input;
        let size = case.profile.train.batch_size;
        let counts = [size, size, case.last];
        let all: usize = counts.iter().sum();
        let labels = Stream::new(case.seed, Purpose::Split, 1);
        let label = |i: usize| labels.word(i as u64) % case.classes as u32;
        let mut start = 0;
        let mut parts = counts.iter().map(|count| {
            start += count;
            (start - count..start).collect::<Vec<_>>()
        });
        let parts: [Vec<usize>; 3] = std::array::from_fn(|_| parts.next().unwrap());
        let indices = parts
            .iter()
            .map(|p| p.iter().map(|i| *i as u32).collect())
            .collect();
        if case.fits_files() {
            let dataset = dataset(case, all, &|i| label(i) as u8);
            let data = SplitDataset::new(Arc::new(dataset), &case.profile.data).unwrap();
            let batch = |indices: &Vec<u32>| {
                let mut batch = Batch::default();
                data.batch(indices, &mut batch).unwrap();
                batch
            };
            let batches = Vec::from_iter(&indices).into_iter().map(batch).collect();
            return Self {
                data: Some(data),
                indices,
                batches,
            };
        }
        let batch = |part: &Vec<usize>| {
            let mut images = vec![0.0; part.len() * channels * height * width];
            Stream::new(case.seed, Purpose::Split, 2 + part[0] as u64).fill_normal(
                &mut images,
                0.0,
                1.0,
            );
            let labels = part.iter().map(|i| label(*i)).collect();
            Batch {
                images,
                labels,
                channels,
                height,
                width,
                ..Batch::default()
            }
        };
        Self {
            data: None,
            batches: parts.iter().map(batch).collect(),
            indices,
        }
    }

    fn step(
        &self,
        learner: &mut dyn Learner,
        which: usize,
        update: Update,
    ) -> fmtui::error::Result<f64> {
        let outcome = match &self.data {
            Some(data) => {
                learner.step_on(data, &self.indices[which], &mut Batch::default(), update)?
            }
            None => learner.step(&self.batches[which], update)?,
        };
        Ok(outcome.loss)
    }

    pub fn logits(&self, learner: &mut dyn Learner, which: usize) -> Vec<f32> {
        match &self.data {
            Some(data) => learner
                .logits_on(data, &self.indices[which], &mut Batch::default())
                .unwrap(),
            None => learner.logits(&self.batches[which]).unwrap(),
        }
    }
}

/// A data set of noise; it can be written to files.
pub fn dataset(case: &Case, count: usize, label: &dyn Fn(usize) -> u8) -> Dataset {
    let (_, height, width) = case.input;
    let pixels = Stream::new(case.seed, Purpose::Split, 2);
    let part = |count: usize| {
        let images = InMemory {
            pixels: (0..(count * height * width) as u64)
                .map(|i| pixels.word(i) as u8)
                .collect(),
            channels: 1,
            height,
            width,
        };
        let labels = (0..count).map(|i| u16::from(label(i)));
        Examples::in_memory(images, labels.collect())
    };
    Dataset {
        name: "random".into(),
        classes: (0..case.classes).map(|c| c.to_string()).collect(),
        channels: 1,
        height,
        width,
        train: part(count),
        validation: Examples::default(),
        test: part(1),
        source: "noise".into(),
        sha256: format!("noise {}", case.seed),
        pixels_sha256: String::new(),
        remarks: Vec::new(),
        excluded: Vec::new(),
    }
}

/// One network in all its shapes.
pub struct Bench<'a> {
    pub case: &'a Case,
    pub architecture: Architecture,
    pub images: Images,
    /// What every learner begins with.
    weights: StateDict,
    /// Of plans.
    device: &'static str,
    pub counts: Counts,
}

impl<'a> Bench<'a> {
    pub fn new(case: &'a Case) -> Self {
        Self::on(case, "cpu")
    }

    /// Plans on this device; the graph stays on the CPU.
    pub fn on(case: &'a Case, device: &'static str) -> Self {
        let architecture = case.architecture().unwrap();
        let mut bench = Self {
            case,
            images: Images::of(case),
            weights: StateDict::new(),
            device,
            architecture,
            counts: Counts::default(),
        };
        bench.weights = bench.start();
        bench
    }

    /// Some of the networks that learn by cross-entropy do so with targets between classes, weights, or both.
    pub fn mixing(mut self) -> Self {
        let case = self.case;
        if case.profile.train.loss == Loss::CrossEntropy && case.seed.is_multiple_of(3) {
            let which = case.seed / 3 % 3;
            self.images.data = None;
            for (i, batch) in (0..).zip(&mut self.images.batches) {
                let of = |place: u64| Stream::new(case.seed, Purpose::Shuffle, 2 * i + place);
                batch.targets = (which > 0).then(|| mixed(&batch.labels, case.classes, &of(0)));
                let weight = |j: usize| 2.0 * of(1).uniform(j as u64) * f32::from(j % 5 != 4);
                batch.weights = (which < 2).then(|| (0..batch.len()).map(weight).collect());
            }
        }
        self
    }

    pub fn learner(&self, profile: &Profile, path: Backend, threads: usize) -> Box<dyn Learner> {
        let mut profile = profile.clone();
        profile.train.backend = path;
        profile.train.threads = threads;
        if path == Backend::Plan {
            profile.train.device = self.device.into();
        }
        learners::build(&profile, &self.architecture, self.case.classes).unwrap()
    }

    /// Weights unlike fresh ones: no number is 0 or 1, so that none can be left out unseen; the head's are fresh where
    /// the case has a new one.
    fn start(&self) -> StateDict {
        let fresh = self
            .learner(&self.case.profile, Backend::Graph, 1)
            .weights()
            .unwrap();
        let head = freeze::head(&self.architecture);
        let mut weights = StateDict::new();
        for (i, (name, array)) in (0..).zip(fresh) {
            let mut noise = vec![0.0; array.values.len()];
            Stream::new(self.case.seed, Purpose::Initialisation, i)
                .fill_normal(&mut noise, 0.0, 1.0);
            let fan_in: usize = array.shape.iter().skip(1).product();
            let of = |n: &f32| match name.rsplit('.').next() {
                Some("running_var") => 0.5 + n.abs(),
                Some("weight") if array.shape.len() == 1 => 1.0 + 0.3 * n,
                Some("weight") => n * (2.0 / fan_in as f32).sqrt(),
                _ => 0.2 * n,
            };
            let values = if self.case.new_head && head.contains(&name) {
                array.values
            } else {
                noise.iter().map(of).collect()
            };
            weights.insert(
                name,
                Array {
                    shape: array.shape,
                    values,
                },
            );
        }
        weights
    }

    /// These weights with every number one unit in the last place away, at random.
    fn perturbed(&self, weights: &StateDict, draw: u64) -> StateDict {
        let mut weights = weights.clone();
        for (i, array) in (0..).zip(weights.values_mut()) {
            let stream = Stream::new(self.near(draw), Purpose::Augmentation, i);
            for (j, value) in (0..).zip(&mut array.values) {
                *value = if stream.word(j).is_multiple_of(2) {
                    value.next_up()
                } else {
                    value.next_down()
                };
            }
        }
        weights
    }

    /// The seed of a perturbation.
    fn near(&self, draw: u64) -> u64 {
        self.case.seed ^ draw << 8
    }

    /// The case's recipe with plain SGD.
    fn probing(&self) -> Profile {
        let mut profile = self.case.profile.clone();
        let train = &mut profile.train;
        train.optimizer = Profile::new("custom").train.optimizer;
        train.optimizer.kind = OptimizerKind::Sgd;
        (train.clip, train.ema) = (0.0, 0.0);
        profile
    }

    /// The gradients of the first batch, and the statistics after it; an error where one image has no variance.
    pub fn gradients(&self, path: Backend, weights: &StateDict) -> Result<Gradients, String> {
        let mut learner = self.learner(&self.probing(), path, 2);
        learner.set_weights(weights).unwrap();
        let update = Update {
            learning_rate: PROBE,
            step: 3,
        };
        self.images
            .step(learner.as_mut(), 0, update)
            .map_err(|e| e.to_string())?;
        let mut found = Gradients::default();
        for (name, array) in learner.weights().unwrap() {
            if is_statistic(&name) {
                found.statistics.insert(name, wide(&array.values));
            } else {
                let pairs = weights[&name].values.iter().zip(&array.values);
                let moved = pairs
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)) / PROBE)
                    .collect();
                found.gradients.insert(name, moved);
            }
        }
        Ok(found)
    }

    /// The weights after three steps of the recipe, relative to those before, and statistics.
    fn trained(&self, path: Backend, weights: &StateDict) -> Result<Arrays, String> {
        let learner = self.train(path, weights, 2)?;
        let mut after = Arrays::new();
        for (name, array) in learner.weights().unwrap() {
            let pairs = array.values.iter().zip(&weights[&name].values);
            after.insert(
                name,
                pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect(),
            );
        }
        Ok(after)
    }

    /// A learner after three steps, before which it computed ahead what it can in half of the cases.
    fn train(
        &self,
        path: Backend,
        weights: &StateDict,
        threads: usize,
    ) -> Result<Box<dyn Learner>, String> {
        let profile = &self.case.profile;
        let mut learner = self.learner(profile, path, threads);
        learner.set_weights(weights).unwrap();
        if let Some(data) = self
            .images
            .data
            .as_ref()
            .filter(|_| self.case.seed.is_multiple_of(2))
        {
            assert!(learner.precompute_features(data, &mut |_, _| true).unwrap());
        }
        for which in 0..3 {
            let learning_rate = profile.train.optimizer.learning_rate;
            let update = Update {
                learning_rate,
                step: which as u64,
            };
            self.images
                .step(learner.as_mut(), which, update)
                .map_err(|e| e.to_string())?;
        }
        Ok(learner)
    }

    /// Holds `a` to `b` array by array. What is further apart than `near` must lie within what perturbed weights make
    /// of the same in a backend, by `of`.
    fn hold(
        &mut self,
        what: &str,
        near: f64,
        (a, b): (&Arrays, &Arrays),
        weights: &StateDict,
        of: &dyn Fn(&Self, Backend, &StateDict) -> Option<Arrays>,
    ) -> Result<(), String> {
        if a.keys().ne(b.keys()) {
            return Err(format!("{what}: {:?} for {:?}", a.keys(), b.keys()));
        }
        let whole = whole(b);
        let mut shaken = None;
        for (name, b) in b {
            self.counts.arrays += 1;
            let off = distance(&a[name], b);
            let size = norm(b).max(1e-3 * whole);
            if off <= near * size + ROUNDING {
                continue;
            }
            let shaken = shaken.get_or_insert_with(|| {
                [Backend::Plan, Backend::Graph].map(|path| {
                    let draws = (0..PERTURBATIONS).map(|draw| self.perturbed(weights, draw));
                    let all = [weights.clone()].into_iter().chain(draws);
                    all.filter_map(|w| of(self, path, &w)).collect::<Vec<_>>()
                })
            });
            let shifts = shaken.iter().filter_map(|all| all.split_first());
            let shifts = shifts.flat_map(|(still, all)| {
                let shift = |s: &Arrays| distance(&s[name], &still[name]);
                all.iter().map(shift)
            });
            let most = shifts.fold(0.0, f64::max);
            if off > EXCUSED * most || off.is_nan() {
                return Err(format!(
                    "{what} of {name}: {off:.3e} apart, of {size:.3e}; one unit in the last place makes {most:.1e}"
                ));
            }
            self.counts.excused += 1;
        }
        Ok(())
    }

    pub fn check(&mut self) -> Result<(), String> {
        self.fresh_weights()?;
        let Some([by_plan, by_graph]) = both(|path| self.gradients(path, &self.weights))? else {
            self.counts.refused += 1;
            return Ok(());
        };
        self.logits(&self.weights.clone())?;
        self.hold_gradients(&by_plan, &by_graph)?;
        if whole(&by_graph.gradients) <= ROUNDING {
            // Nothing learns there, and an optimizer makes steps of what is left of rounding.
            self.counts.refused += 1;
            return Ok(());
        }
        self.differences(&by_graph.gradients)?;
        self.steps()
    }

    /// Holds gradients and statistics of the first batch to others.
    pub fn hold_gradients(&mut self, a: &Gradients, b: &Gradients) -> Result<(), String> {
        let weights = self.weights.clone();
        let pair = (&a.gradients, &b.gradients);
        self.hold("gradient", NEAR, pair, &weights, &|bench, path, weights| {
            Some(bench.gradients(path, weights).ok()?.gradients)
        })?;
        let pair = (&a.statistics, &b.statistics);
        self.hold(
            "statistics",
            NEAR,
            pair,
            &weights,
            &|bench, path, weights| Some(bench.gradients(path, weights).ok()?.statistics),
        )
    }

    pub fn weights(&self) -> &StateDict {
        &self.weights
    }

    /// The weights as a planned learner gives them away.
    pub fn exported(&self) -> StateDict {
        let mut learner = self.learner(&self.case.profile, Backend::Plan, 2);
        learner.set_weights(&self.weights).unwrap();
        learner.weights().unwrap()
    }

    /// The first batch's images.
    pub fn input(&self) -> StateDict {
        let values = self.images.batches[0].images.clone();
        let shape = vec![values.len()];
        [("images".to_string(), Array { shape, values })].into()
    }

    /// Holds the plan to another program's logits, gradients and statistics of the first batch.
    pub fn hold_to(&mut self, mut theirs: StateDict) -> Result<(), String> {
        let logits = theirs.remove("logits").ok_or("no logits")?;
        let of = |bench: &Self, path, weights: &StateDict| {
            let mut learner = bench.learner(&bench.case.profile, path, 2);
            learner.set_weights(weights).unwrap();
            let logits = bench.images.logits(learner.as_mut(), 0);
            Some(Arrays::from([("logits".to_string(), wide(&logits))]))
        };
        let theirs_wide = Arrays::from([("logits".to_string(), wide(&logits.values))]);
        let weights = self.weights.clone();
        let ours = of(self, Backend::Plan, &weights).ok_or("no logits")?;
        self.hold("logits", NEAR, (&ours, &theirs_wide), &weights, &of)?;
        let ours = self.gradients(Backend::Plan, &self.weights)?;
        self.hold_gradients(&ours, &Gradients::wide(&theirs))
    }

    /// The same fresh weights on every path.
    fn fresh_weights(&self) -> Result<(), String> {
        let of = |path| self.learner(&self.case.profile, path, 2).weights().unwrap();
        if of(Backend::Plan) == of(Backend::Graph) {
            return Ok(());
        }
        Err("fresh weights differ".into())
    }

    /// The same logits on both paths with the same weights.
    fn logits(&mut self, weights: &StateDict) -> Result<(), String> {
        let of = |bench: &Self, path, weights: &StateDict| {
            let mut learner = bench.learner(&bench.case.profile, path, 2);
            learner.set_weights(weights).unwrap();
            let values = (0..3).flat_map(|which| bench.images.logits(learner.as_mut(), which));
            let values = values.map(f64::from).collect();
            Some(Arrays::from([("all".to_string(), values)]))
        };
        let [a, b] = [Backend::Plan, Backend::Graph].map(|path| of(self, path, weights).unwrap());
        self.hold("logits", NEAR, (&a, &b), weights, &of)
    }

    /// The graph's gradients against central differences of the f64 reference, along four directions an array.
    ///
    /// What is further apart is excused as in [`hold`](Self::hold), or by what the reference's own slope makes of the
    /// rounding of every layer's result to f32: a batch norm of almost equal numbers makes a sum of rounding hundreds
    /// of times as large, which no weight's last place shows.
    fn differences(&mut self, by_graph: &Arrays) -> Result<(), String> {
        let whole = whole(by_graph);
        let frozen = self.frozen_nodes();
        let weights: Weights = self
            .weights
            .iter()
            .map(|(name, a)| (name.clone(), wide(&a.values)))
            .collect();
        let features = self.reference_features(&weights, frozen);
        let names: Vec<&String> = by_graph.keys().collect();
        let mut shifts: Option<Vec<Arrays>> = None;
        for (i, name) in (0..).zip(names) {
            let gradient = &by_graph[name];
            if self.is_frozen(name) {
                if norm(gradient) > 0.0 {
                    return Err(format!("{name} is frozen and moves"));
                }
                continue;
            }
            for direction in 0..4 {
                self.counts.arrays += 1;
                let mut along = vec![0.0f32; gradient.len()];
                let place = 1000 * (i + 1) + direction;
                Stream::new(self.case.seed, Purpose::Shuffle, place)
                    .fill_normal(&mut along, 0.0, 1.0);
                let unit = 1.0 / norm(&wide(&along));
                let along: Vec<f64> = along.iter().map(|v| f64::from(*v) * unit).collect();
                let dot = |g: &[f64]| g.iter().zip(&along).map(|(g, v)| g * v).sum::<f64>();
                let size = norm(gradient).max(1e-3 * whole);
                let slope = |share: f64, rounding| {
                    let mut weights = weights.clone();
                    let before = &self.weights[name].values;
                    let step = share * norm(&wide(before)).max(1e-2);
                    let [up, down] = [step, -step].map(|step| {
                        let moved = before.iter().zip(&along);
                        let moved = moved.map(|(w, v)| f64::from(*w) + step * v).collect();
                        weights.insert(name.clone(), moved);
                        self.reference_loss(&weights, frozen, &features, rounding)
                    });
                    let error = 1e-14 * up.abs().max(1.0) / step;
                    ((up - down) / (2.0 * step), error)
                };
                // A kink between the two points is not there any more when they are nearer.
                let slopes = [1e-6, 1e-8].map(|share| slope(share, None));
                let is_near = slopes.iter().any(|(slope, error)| {
                    (slope - dot(gradient)).abs() <= NEAR_DIFFERENCES * size + error
                });
                if is_near {
                    continue;
                }
                let (first, error) = slopes[0];
                let off = (first - dot(gradient)).abs();
                let shifts = shifts.get_or_insert_with(|| {
                    let shaken = |draw| {
                        self.gradients(Backend::Graph, &self.perturbed(&self.weights, draw))
                            .unwrap()
                            .gradients
                    };
                    (0..PERTURBATIONS).map(shaken).collect()
                });
                let moved = shifts.iter().map(|s| (dot(&s[name]) - dot(gradient)).abs());
                let rounded = (0..PERTURBATIONS).map(|draw| {
                    let (rounded, _) = slope(1e-6, Some(self.near(draw)));
                    ((rounded - first).abs() - error).max(0.0)
                });
                let most = moved.chain(rounded).fold(0.0, f64::max);
                if off > EXCUSED * most || off.is_nan() {
                    return Err(format!(
                        "central difference of {name}: {first:.6e} for {:.6e}, of {size:.3e}; one unit in the last place makes {most:.1e}",
                        dot(gradient)
                    ));
                }
                self.counts.excused += 1;
            }
        }
        Ok(())
    }

    /// Layers that are run in evaluation mode.
    fn frozen_nodes(&self) -> usize {
        let cut = freeze::cut(&self.architecture, &self.case.profile.model.freeze).unwrap();
        cut.map_or(0, |cut| cut.frozen.nodes.len())
    }

    fn is_frozen(&self, name: &str) -> bool {
        let cut = freeze::cut(&self.architecture, &self.case.profile.model.freeze).unwrap();
        cut.is_some_and(|cut| cut.frozen.zeros().contains_key(name))
    }

    fn pass<'w>(&self, weights: &'w Weights, training: bool, rounding: Option<u64>) -> Pass<'w> {
        Pass {
            weights,
            batch: self.images.batches[0].len(),
            training,
            seed: self.case.profile.train.seed,
            step: 3,
            dropouts: 0,
            rounding,
            results: 0,
        }
    }

    fn reference_features(&self, weights: &Weights, frozen: usize) -> Vec<f64> {
        let images = wide(&self.images.batches[0].images);
        self.pass(weights, false, None)
            .chain(&self.architecture.nodes[..frozen], images)
    }

    fn reference_loss(
        &self,
        weights: &Weights,
        frozen: usize,
        features: &[f64],
        rounding: Option<u64>,
    ) -> f64 {
        let trained = &self.architecture.nodes[frozen..];
        let mut pass = self.pass(weights, true, rounding);
        let logits = pass.chain(trained, features.to_vec());
        let train = &self.case.profile.train;
        let batch = &self.images.batches[0];
        loss(train, self.case.classes, &logits, batch)
    }

    /// Three steps of the recipe: near each other on both paths, the same bits on any number of threads, and weights
    /// that mean the same to the other path; then what is set free, likewise.
    fn steps(&mut self) -> Result<(), String> {
        let weights = self.weights.clone();
        let Some([by_plan, by_graph]) = both(|path| self.trained(path, &weights))? else {
            self.counts.refused += 1;
            return Ok(());
        };
        let of = |bench: &Self, path, weights: &StateDict| {
            let mut after = bench.trained(path, weights).ok()?;
            // Relative to the weights as they are.
            for (name, values) in &mut after {
                let from = bench.weights[name].values.iter().zip(&weights[name].values);
                for (value, (w, p)) in values.iter_mut().zip(from) {
                    *value += f64::from(*p) - f64::from(*w);
                }
            }
            Some(after)
        };
        let pair = (&by_plan, &by_graph);
        self.hold("three steps", NEAR_AFTER, pair, &weights, &of)?;
        let mut two = self.train(Backend::Plan, &weights, 2)?;
        let state = two.state().unwrap();
        for threads in [1, 3] {
            if self
                .train(Backend::Plan, &weights, threads)?
                .state()
                .unwrap()
                != state
            {
                return Err(format!("{threads} threads and 2 differ"));
            }
        }
        let learned = two.weights().unwrap();
        self.logits(&learned)?;
        self.thawed(two.as_mut())
    }

    /// What `model.unfreeze` does between two epochs, on both paths.
    fn thawed(&mut self, before: &mut dyn Learner) -> Result<(), String> {
        let mut profile = self.case.profile.clone();
        let Some(step) = profile.model.unfreeze.pop() else {
            return Ok(());
        };
        profile.model.freeze = step.freeze;
        let weights = learners::without_memory(before.state().unwrap());
        let after = |bench: &Self, path, weights: &StateDict| {
            let mut learner = bench.learner(&profile, path, 2);
            learner.set_weights(weights).unwrap();
            let learning_rate = profile.train.optimizer.learning_rate;
            bench
                .images
                .step(
                    learner.as_mut(),
                    1,
                    Update {
                        learning_rate,
                        step: 3,
                    },
                )
                .map_err(|e| e.to_string())?;
            let moved = |(name, array): (String, Array)| {
                let pairs = array.values.iter().zip(&weights[&name].values);
                let values = pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
                (name, values)
            };
            Ok(learner
                .weights()
                .unwrap()
                .into_iter()
                .map(moved)
                .collect::<Arrays>())
        };
        let Some([a, b]) = both(|path| after(self, path, &weights))? else {
            self.counts.refused += 1;
            return Ok(());
        };
        let of = |bench: &Self, path, weights: &StateDict| after(bench, path, weights).ok();
        let what = "a step of what was set free";
        self.hold(what, NEAR_AFTER, (&a, &b), &weights, &of)
    }
}

/// Each label's image with some of a random class's.
fn mixed(labels: &[u32], classes: usize, stream: &Stream) -> Vec<f32> {
    let mut rows = vec![0.0; labels.len() * classes];
    for ((i, row), label) in (0..).zip(rows.chunks_exact_mut(classes)).zip(labels) {
        let share = stream.uniform(2 * i);
        row[*label as usize] += 1.0 - share;
        row[stream.word(2 * i + 1) as usize % classes] += share;
    }
    rows
}

/// What plan and graph give; none where both refuse, since one image may have no variance.
fn both<T>(of: impl Fn(Backend) -> Result<T, String>) -> Result<Option<[T; 2]>, String> {
    match (of(Backend::Plan), of(Backend::Graph)) {
        (Ok(by_plan), Ok(by_graph)) => Ok(Some([by_plan, by_graph])),
        (Err(_), Err(_)) => Ok(None),
        (a, b) => Err(format!("one refuses: {:?} {:?}", a.err(), b.err())),
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The norm of all arrays together.
fn whole(arrays: &Arrays) -> f64 {
    let squares = arrays.values().map(|values| norm(values).powi(2));
    squares.sum::<f64>().sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}
