//! What the worker costs its machine: processor, memory and, where there is one, the GPU; once a second.

use std::time::Duration;

use nvml_wrapper::Nvml;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::bus::Bus;
use super::journal::Journal;
use crate::event::{Event, ResourceUsage};

const PERIOD: Duration = Duration::from_secs(1);

/// Tells the load once a second while the training is under way; ends with the task.
pub(crate) async fn watch(bus: Bus, journal: Journal, gpu: u32) {
    let Some(mut sampler) = Sampler::new(gpu) else {
        return;
    };
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let load = sampler.sample();
        if let Some(load) = load.filter(|_| journal.is_under_way()) {
            bus.tell(Event::Load(load));
        }
    }
}

/// The GPU that a profile's `train.device` names: `cuda:1` is the second of those that CUDA shows, everything else the
/// first.
#[must_use]
pub(crate) fn gpu_index(device: &str) -> u32 {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    gpu_among(device, &visible)
}

fn gpu_among(device: &str, visible: &str) -> u32 {
    let index = device.strip_prefix("cuda:").and_then(|i| i.parse().ok());
    let index: u32 = index.unwrap_or(0);
    let named = visible.split(',').nth(index as usize);
    named
        .and_then(|name| name.trim().parse().ok())
        .unwrap_or(index)
}

/// Measures this process, and the GPU it may be using.
pub(crate) struct Sampler {
    system: System,
    pid: Pid,
    /// NVIDIA's library; `None` where there is no such driver.
    nvml: Option<Nvml>,
    gpu: u32,
}

impl Sampler {
    /// `None` where the system does not tell.
    #[must_use]
    pub(crate) fn new(gpu: u32) -> Option<Self> {
        Some(Self {
            system: System::new().ok()?,
            pid: sysinfo::get_current_pid().ok()?,
            nvml: Nvml::init().ok(),
            gpu,
        })
    }

    /// The load since the last sample; processor time is zero in the first.
    pub(crate) fn sample(&mut self) -> Option<ResourceUsage> {
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_cpu().with_memory(),
        );
        let process = self.system.process(self.pid)?;
        let device = self
            .nvml
            .as_ref()
            .and_then(|nvml| nvml.device_by_index(self.gpu).ok());
        let utilization = device.as_ref().and_then(|d| d.utilization_rates().ok());
        let memory = device.as_ref().and_then(|d| d.memory_info().ok());
        Some(ResourceUsage {
            cpu_percent: f64::from(process.cpu_usage()),
            memory_bytes: process.memory(),
            gpu_percent: utilization.map(|u| f64::from(u.gpu)),
            gpu_memory_bytes: memory.map(|m| m.used),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gpu_is_the_one_the_profile_names() {
        let devices = ["auto", "cuda", "cuda:3", "metal"];
        assert_eq!(devices.map(|d| gpu_among(d, "")), [0, 0, 3, 0]);
        assert_eq!(devices.map(|d| gpu_among(d, "5,2")), [5, 5, 3, 5]);
        assert_eq!(gpu_among("cuda:1", "GPU-5fa, 7"), 7);
    }

    #[test]
    fn a_busy_process_has_a_load() {
        let mut sampler = Sampler::new(0).unwrap();
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
