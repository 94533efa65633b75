//! Puts the git revision into the program, where it is built from its own repository, and compiles the CUDA kernels,
//! where the feature `cuda` asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Of `src/kernels/cuda`, in the order in which they follow each other.
const PARTS: [&str; 4] = ["head", "product", "maps", "step"];

/// Where operations have kernels of their own.
const OPERATIONS: &str = "src/kernels/plan/ops";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    tell_revision();
    if env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Err(problem) = compile_kernels()
    {
        println!("cargo::error=the CUDA kernels do not compile: {problem}");
    }
}

fn tell_revision() {
    let is_own = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    // The log of HEAD changes with every commit and checkout; without one nothing changes.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && is_own
        && Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
    let revision = git(&["rev-parse", "--short", "HEAD"]).filter(|_| is_own);
    println!(
        "cargo:rustc-env=FMTUI_REVISION={}",
        revision.unwrap_or_default()
    );
}

/// What git says, without the line's end; `None` where there is no git or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

/// One source of all parts, then machine code for the GPU at hand (or `CUDA_COMPUTE_CAP`), and PTX for later ones.
fn compile_kernels() -> Result<(), String> {
    for variable in ["CUDA_COMPUTE_CAP", "NVCC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut source = String::new();
    let parts = PARTS.map(|part| PathBuf::from(format!("src/kernels/cuda/{part}.cu")));
    for path in parts.into_iter().chain(operations()?) {
        println!("cargo::rerun-if-changed={}", path.display());
        source += &fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let all = out.join("kernels.cu");
    fs::write(&all, source).map_err(|e| format!("{}: {e}", all.display()))?;
    let capability = capability();
    let nvcc = env::var("NVCC").unwrap_or_else(|_| "nvcc".into());
    let output = Command::new(&nvcc)
        .args(["--fatbin", "-O3", "-gencode"])
        .arg(format!(
            "arch=compute_{capability},code=[sm_{capability},compute_{capability}]"
        ))
        .arg("-o")
        .arg(out.join("kernels.fatbin"))
        .arg(&all)
        .output()
        .map_err(|e| format!("{nvcc}: {e}; install the CUDA toolkit or set NVCC"))?;
    if output.status.success() {
        Ok(())
    } else {
        let told = [output.stdout, output.stderr].concat();
        Err(String::from_utf8_lossy(&told).replace('\n', " · "))
    }
}

/// The `.cu` files beside operations, by name.
fn operations() -> Result<Vec<PathBuf>, String> {
    println!("cargo::rerun-if-changed={OPERATIONS}");
    let entries = fs::read_dir(OPERATIONS).map_err(|e| format!("{OPERATIONS}: {e}"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "cu"))
        .collect();
    found.sort();
    Ok(found)
}

/// Such as 90. Kernels need the tensor cores of 80 (Ampere) or later.
fn capability() -> String {
    env::var("CUDA_COMPUTE_CAP")
        .ok()
        .or_else(|| {
            let asked = ["--query-gpu=compute_cap", "--format=csv,noheader"];
            let output = Command::new("nvidia-smi").args(asked).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            Some(text.lines().next()?.trim().replace('.', ""))
        })
        .filter(|capability| capability.parse::<u32>().is_ok_and(|c| c >= 80))
        .unwrap_or_else(|| "80".into())
}
