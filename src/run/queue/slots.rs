//! How many runs there is room for, and where: GPUs by their place in `CUDA_VISIBLE_DEVICES`, the CPU by its cores.

use serde::{Deserialize, Serialize};

use super::Settings;

/// Where a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// One of the CPU's slots, from 0.
    Cpu(usize),
    /// A GPU by its name in `CUDA_VISIBLE_DEVICES`.
    Gpu(String),
}

/// What a recipe asks of a machine by its `train.device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Cpu,
    AnyGpu,
    /// The one with this number.
    Gpu(usize),
}

impl Wish {
    /// **Units** `gpus` that there are; without one everything is the CPU's (or Metal's, which is one as well).
    #[must_use]
    pub(crate) fn of(device: &str, gpus: usize) -> Self {
        match device.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(number)) if number < gpus => Self::Gpu(number),
            _ if gpus > 0 && matches!(device, "auto" | "cuda") => Self::AnyGpu,
            _ => Self::Cpu,
        }
    }
}

/// A machine's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub cores: usize,
    /// As `CUDA_VISIBLE_DEVICES` names them.
    pub gpus: Vec<String>,
}

impl Machine {
    /// This machine, as far as this process may use it.
    #[must_use]
    pub(crate) fn here() -> Self {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let count = || {
            let nvml = nvml_wrapper::Nvml::init().ok();
            nvml.and_then(|nvml| nvml.device_count().ok()).unwrap_or(0)
        };
        let gpus = match visible {
            _ if !cfg!(feature = "cuda") => Vec::new(),
            Some(named) => named_gpus(&named),
            None => (0..count()).map(|gpu| gpu.to_string()).collect(),
        };
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            gpus,
        }
    }

    /// A free place for a job, where others are `taken`; the emptiest GPU first.
    #[must_use]
    pub(crate) fn free(&self, wish: Wish, taken: &[Place], settings: &Settings) -> Option<Place> {
        let on = |gpu: &String| {
            let is_on = |place: &&Place| matches!(place, Place::Gpu(other) if other == gpu);
            taken.iter().filter(is_on).count()
        };
        let gpu = |gpus: &[String]| {
            let emptiest = gpus.iter().min_by_key(|gpu| on(gpu))?;
            (on(emptiest) < settings.per_gpu.max(1)).then(|| Place::Gpu(emptiest.clone()))
        };
        match wish {
            Wish::Gpu(number) => gpu(self.gpus.get(number..=number)?),
            Wish::AnyGpu => gpu(&self.gpus),
            Wish::Cpu => {
                // Runs that nobody has queued take places too, whatever they are called.
                let used = taken.iter().filter(|place| matches!(place, Place::Cpu(_)));
                let jobs = settings.jobs.max(1);
                let free = |slot: &usize| !taken.contains(&Place::Cpu(*slot));
                (used.count() < jobs).then(|| (0..jobs).find(free).map(Place::Cpu))?
            }
        }
    }

    /// The threads of a job at this place: all jobs that there is room for have together as many as there are cores,
    /// where these are enough.
    #[must_use]
    pub(crate) fn threads(&self, place: &Place, settings: &Settings) -> usize {
        let (all, slot) = match place {
            Place::Cpu(slot) => (settings.jobs.max(1), *slot),
            Place::Gpu(name) => {
                let all = self.gpus.len() * settings.per_gpu.max(1);
                let at = self.gpus.iter().position(|gpu| gpu == name);
                (all.max(1), at.unwrap_or(0))
            }
        };
        let rest = usize::from(slot < self.cores % all);
        (self.cores / all + rest).max(1)
    }
}

/// The GPUs that `CUDA_VISIBLE_DEVICES` names: all before the first that is none.
fn named_gpus(named: &str) -> Vec<String> {
    let all = named.split(',').map(str::trim);
    let is_one = |name: &&str| !name.is_empty() && *name != "-1";
    all.take_while(is_one).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(jobs: usize, per_gpu: usize) -> Settings {
        Settings {
            jobs,
            per_gpu,
            ..Settings::default()
        }
    }

    fn machine(cores: usize, gpus: &str) -> Machine {
        Machine {
            cores,
            gpus: named_gpus(gpus),
        }
    }

    #[test]
    fn gpus_are_those_that_cuda_would_show() {
        assert_eq!(named_gpus("2,0"), ["2", "0"]);
        assert_eq!(named_gpus(" 1 , GPU-5fa,-1,3"), ["1", "GPU-5fa"]);
        for none in ["", "-1", ",1"] {
            assert!(named_gpus(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_job_goes_where_its_recipe_wants() {
        for (device, gpus, wish) in [
            ("auto", 0, Wish::Cpu),
            ("auto", 2, Wish::AnyGpu),
            ("cuda", 1, Wish::AnyGpu),
            ("cuda:1", 2, Wish::Gpu(1)),
            // It fails when it begins, and says why.
            ("cuda:2", 2, Wish::Cpu),
            ("cpu", 2, Wish::Cpu),
            ("metal", 0, Wish::Cpu),
        ] {
            assert_eq!(Wish::of(device, gpus), wish, "{device} of {gpus}");
        }
    }

    #[test]
    fn places_are_given_until_there_are_no_more() {
        let (machine, settings) = (machine(16, "3,5"), settings(2, 2));
        let mut taken = Vec::new();
        let mut fill = |wish| {
            while let Some(place) = machine.free(wish, &taken, &settings) {
                taken.push(place);
            }
            taken.clone()
        };
        let gpu = |name: &str| Place::Gpu(name.into());
        assert_eq!(fill(Wish::Gpu(1)), [gpu("5"), gpu("5")]);
        assert_eq!(fill(Wish::AnyGpu)[2..], [gpu("3"), gpu("3")]);
        assert_eq!(fill(Wish::Cpu)[4..], [Place::Cpu(0), Place::Cpu(1)]);
    }

    #[test]
    fn runs_that_nobody_queued_take_places() {
        let (machine, settings) = (machine(8, ""), settings(2, 1));
        let beside = Place::Cpu(usize::MAX);
        let one = [beside.clone()];
        assert_eq!(
            machine.free(Wish::Cpu, &one, &settings),
            Some(Place::Cpu(0))
        );
        let both = [beside.clone(), beside];
        assert_eq!(machine.free(Wish::Cpu, &both, &settings), None);
    }

    proptest::proptest! {
        #[test]
        fn jobs_share_all_cores(cores in 1..200_usize, jobs in 1..50_usize) {
            let machine = machine(cores, "");
            let settings = settings(jobs, 1);
            let threads = (0..jobs).map(|slot| machine.threads(&Place::Cpu(slot), &settings));
            let (least, most) = (threads.clone().min().unwrap(), threads.clone().max().unwrap());
            assert!(least >= 1 && most - least <= 1);
            assert_eq!(threads.sum::<usize>(), cores.max(jobs));
        }
    }
}
