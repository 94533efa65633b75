//! The numbers of CPU tensors as slices.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Layout, Result, Shape, Storage, Tensor, bail};

/// The numbers of an operand; its tensor has been made contiguous before.
pub(super) fn of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("the operand is not contiguous"),
    }
}

/// A CPU tensor's numbers, held while they are read.
pub(super) struct Read<G> {
    guard: G,
    range: Range<usize>,
}

/// Opens a contiguous f32 tensor on the CPU.
pub(super) fn read(tensor: &Tensor) -> Result<Read<impl Deref<Target = Storage> + '_>> {
    let (guard, layout) = tensor.storage_and_layout();
    match (&*guard, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => Ok(Read {
            range: start..end,
            guard,
        }),
        _ => bail!("not a contiguous f32 tensor on the CPU"),
    }
}

impl<G: Deref<Target = Storage>> Deref for Read<G> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.guard {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            _ => &[],
        }
    }
}

/// What a custom operation returns from the CPU.
pub(super) fn output(values: Vec<f32>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), shape.into())
}

/// A tensor on the CPU that takes the numbers over.
pub(super) fn tensor(values: Vec<f32>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &candle_core::Device::Cpu)
}
