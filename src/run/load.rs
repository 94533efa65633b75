//! What the worker costs its machine: processor and memory, once a second.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::journal::Journal;
use crate::event::{Event, Load};

const PERIOD: Duration = Duration::from_secs(1);

/// Tells the load once a second while the training is under way; ends with the task.
pub async fn watch(journal: Journal) {
    let Some(mut sampler) = Sampler::new() else {
        return;
    };
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let load = sampler.sample();
        if let Some(load) = load.filter(|_| journal.is_under_way()) {
            journal.tell(Event::Load(load));
        }
    }
}

/// Measures this process.
pub struct Sampler {
    system: System,
    pid: Pid,
}

impl Sampler {
    /// `None` where the system does not tell.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self {
            system: System::new().ok()?,
            pid: sysinfo::get_current_pid().ok()?,
        })
    }

    /// The load since the last sample; processor time is zero in the first.
    pub fn sample(&mut self) -> Option<Load> {
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_cpu().with_memory(),
        );
        let process = self.system.process(self.pid)?;
        Some(Load {
            cpu_percent: f64::from(process.cpu_usage()),
            memory_bytes: process.memory(),
            gpu_percent: None,
            gpu_memory_bytes: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_has_a_load() {
        let mut sampler = Sampler::new().unwrap();
        sampler.sample().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(400) {
            std::hint::black_box(start.elapsed());
        }
        let load = sampler.sample().unwrap();
        assert!(
            load.cpu_percent > 5.0 && load.cpu_percent < 100_000.0,
            "{load:?}"
        );
        assert!(load.memory_bytes > 1 << 20);
    }
}
