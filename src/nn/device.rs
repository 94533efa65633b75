//! Which device computes: the one asked for, or the best that works.
//!
//! An explicit wish that cannot be met is an error with its remedy; only `auto` falls back, and says so.

use candle_core::{Device, Result as CandleResult, Tensor, Var};

use super::{conv, pool};
use crate::error::{Error, Result};

/// Opens the device called `auto`, `cpu`, `cuda`, `cuda:N` or `metal`; returns it with a description for people.
///
/// `auto` tries CUDA where it is compiled in, then Metal where it is compiled in, then takes the CPU.
///
/// # Errors
/// `Input` when the name is unknown, the binary was built without the device, or the device does not work.
pub fn select(name: &str) -> Result<(Device, String)> {
    match name {
        "auto" => Ok(automatic()),
        "cpu" => Ok((Device::Cpu, "cpu".into())),
        "cuda" => cuda(0),
        "metal" => metal(),
        other => match other.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(ordinal)) => cuda(ordinal),
            _ => Err(Error::input(
                "train.device",
                format!("`{name}` is not a device"),
                "use auto, cpu, cuda, cuda:N or metal",
            )),
        },
    }
}

fn automatic() -> (Device, String) {
    let mut refusals = Vec::new();
    if cfg!(feature = "cuda") {
        match cuda(0) {
            Ok(found) => return found,
            Err(e) => refusals.push(e.to_string()),
        }
    }
    if cfg!(feature = "metal") {
        match metal() {
            Ok(found) => return found,
            Err(e) => refusals.push(e.to_string()),
        }
    }
    let description = if refusals.is_empty() {
        "cpu".into()
    } else {
        format!("cpu ({})", refusals.join("; "))
    };
    (Device::Cpu, description)
}

fn cuda(ordinal: usize) -> Result<(Device, String)> {
    let subject = format!("device cuda:{ordinal}");
    if !cfg!(feature = "cuda") {
        return Err(Error::input(
            subject,
            "this binary was built without CUDA",
            "build with `cargo build --release --features cuda`, or set train.device = \"cpu\"",
        ));
    }
    // Never `cuda_if_available`: it fails as a whole where there is no GPU, and says nothing about why.
    let device = Device::new_cuda(ordinal).map_err(|e| {
        Error::input(
            subject.clone(),
            format!("CUDA does not start ({})", first_line(&e)),
            "check the driver with `nvidia-smi`, or set train.device = \"cpu\"",
        )
    })?;
    Ok((device, format!("cuda:{ordinal}")))
}

fn metal() -> Result<(Device, String)> {
    let subject = "device metal";
    if !cfg!(feature = "metal") {
        return Err(Error::input(
            subject,
            "this binary was built without Metal",
            "build with `cargo build --release --features metal` on a Mac, or set train.device = \"cpu\"",
        ));
    }
    let device = Device::new_metal(0).map_err(|e| {
        Error::input(
            subject,
            format!("Metal does not start ({})", first_line(&e)),
            "set train.device = \"cpu\"",
        )
    })?;
    check(&device, subject)?;
    Ok((device, "metal".into()))
}

/// Holds a device to the CPU: the gradients of a small network through the graph.
///
/// # Errors
/// `Input` about `subject` when they differ, or the device refuses.
pub(crate) fn check(device: &Device, subject: &str) -> Result<()> {
    const REMEDY: &str = "set train.device = \"cpu\"";
    let measured = self_test(device);
    let expected = self_test(&Device::Cpu);
    match (measured, expected) {
        (Ok(measured), Ok(expected)) => {
            let far = measured
                .iter()
                .zip(&expected)
                .any(|(m, e)| (m - e).abs() > 1e-3 * (1.0 + e.abs()) || !m.is_finite());
            if far || measured.len() != expected.len() {
                return Err(Error::input(
                    subject,
                    "its gradients differ from the CPU's",
                    REMEDY,
                ));
            }
            Ok(())
        }
        (Err(e), _) | (_, Err(e)) => Err(Error::input(
            subject,
            format!("a small test step failed ({})", first_line(&e)),
            REMEDY,
        )),
    }
}

/// The gradients of a small convolution with pooling, by the composed operations.
fn self_test(device: &Device) -> CandleResult<Vec<f32>> {
    let wave = |count: usize, shape: &[usize]| {
        let values: Vec<f32> = (0..count)
            .map(|i| f32::from(u16::try_from(i * 37 % 101).unwrap_or(0)) / 50.0 - 1.0)
            .collect();
        Tensor::from_vec(values, shape, device)
    };
    let x = Var::from_tensor(&wave(2 * 2 * 7 * 7, &[2, 2, 7, 7])?)?;
    let w = Var::from_tensor(&wave(3 * 2 * 3 * 3, &[3, 2, 3, 3])?)?;
    let b = Var::from_tensor(&wave(3, &[3])?)?;
    let y = conv::composed(&x, &w, Some(&b), 2, 1)?;
    let y = pool::composed_max(&y, 2, 1, 0)?;
    let grads = (&y * &y)?.sum_all()?.backward()?;
    let mut all = y.flatten_all()?.to_vec1::<f32>()?;
    for var in [&x, &w, &b] {
        if let Some(grad) = grads.get(var) {
            all.extend(grad.flatten_all()?.to_vec1::<f32>()?);
        }
    }
    Ok(all)
}

fn first_line(error: &candle_core::Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        for name in ["gpu", "cuda:x", "cuda:", "cuda:-1", "CPU", ""] {
            let error = select(name).unwrap_err().to_string();
            assert!(error.contains("auto, cpu, cuda"), "{error}");
        }
    }

    #[test]
    fn cpu_is_always_there() {
        assert!(select("cpu").unwrap().0.is_cpu());
        let (_, description) = select("auto").unwrap();
        assert!(!description.is_empty());
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_device_left_out_of_the_build_names_the_feature() {
        for (name, feature) in [
            ("cuda", "--features cuda"),
            ("cuda:3", "--features cuda"),
            ("metal", "--features metal"),
        ] {
            let error = select(name).unwrap_err().to_string();
            assert!(error.contains(feature), "{error}");
        }
    }

    #[test]
    fn the_self_test_passes_itself_and_covers_every_gradient() {
        assert!(check(&Device::Cpu, "cpu").is_ok());
        let values = self_test(&Device::Cpu).unwrap();
        assert_eq!(values.len(), 2 * 3 * 3 * 3 + 2 * 2 * 7 * 7 + 54 + 3);
    }
}
