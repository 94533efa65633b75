//! A GPU with the kernels on it: memory by address, launches prepared once, errors of the driver in words.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::cuda::cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, ValidAsZeroBits, result,
};
use candle_core::cuda::cudarc::nvrtc::Ptx;

use crate::error::{Error, Result};

/// What `build.rs` made of the `.cu` files.
const KERNELS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// Threads of a block of every kernel but the loss.
pub(in crate::kernels) const THREADS: u32 = 256;

/// The smallest compute capability whose tensor cores take TF32.
const AMPERE: i32 = 8;

/// A driver's refusal in words: what was tried, and what it said.
pub(in crate::kernels) trait OnGpu<T> {
    fn on_gpu(self, doing: &str) -> Result<T>;
}

impl<T> OnGpu<T> for Result<T, DriverError> {
    fn on_gpu(self, doing: &str) -> Result<T> {
        self.map_err(|e| Error::compute(format!("{doing} on the GPU"), e))
    }
}

/// An opened GPU.
pub(in crate::kernels) struct Gpu {
    pub(in crate::kernels) context: Arc<CudaContext>,
    module: Arc<CudaModule>,
    functions: Mutex<HashMap<&'static str, CudaFunction>>,
}

impl Gpu {
    /// The GPU of this number, opened once a process.
    pub(in crate::kernels) fn open(ordinal: usize) -> Result<Arc<Self>> {
        static OPENED: OnceLock<Mutex<HashMap<usize, Arc<Gpu>>>> = OnceLock::new();
        let opened = OPENED.get_or_init(Mutex::default);
        let mut opened = opened
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(gpu) = opened.get(&ordinal) {
            return Ok(gpu.clone());
        }
        let context = CudaContext::new(ordinal).on_gpu("starting CUDA")?;
        // SAFETY: everything of a plan goes through one stream, in order; nothing needs events.
        unsafe { context.disable_event_tracking() };
        let module = context
            .load_module(Ptx::from_binary(KERNELS.to_vec()))
            .on_gpu("loading the kernels")?;
        let gpu = Arc::new(Self {
            context,
            module,
            functions: Mutex::default(),
        });
        opened.insert(ordinal, gpu.clone());
        Ok(gpu)
    }

    fn function(&self, name: &'static str) -> Result<CudaFunction> {
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let function = self.module.load_function(name).on_gpu(name)?;
        functions.insert(name, function.clone());
        Ok(function)
    }
}

/// **Units** bytes.
pub(in crate::kernels) fn free_memory(context: &CudaContext) -> Result<usize> {
    let doing = "asking for free memory";
    context.bind_to_thread().on_gpu(doing)?;
    context.mem_get_info().on_gpu(doing).map(|(free, _)| free)
}

/// Why kernels do not run on a GPU, if they don't.
pub(crate) fn obstacle(ordinal: usize) -> Option<String> {
    match Gpu::open(ordinal).map(|gpu| gpu.context.compute_capability()) {
        Err(e) => Some(e.to_string()),
        Ok(Err(e)) => Some(e.to_string()),
        Ok(Ok((major, minor))) if major < AMPERE => Some(format!(
            "the GPU's compute capability is {major}.{minor}, and the kernels need at least {AMPERE}.0"
        )),
        Ok(Ok(_)) => None,
    }
}

/// Numbers on the GPU, zeros at first.
pub(in crate::kernels) struct Memory<T> {
    slice: CudaSlice<T>,
    start: u64,
}

/// What may lie in a GPU's memory.
pub(in crate::kernels) trait Plain:
    DeviceRepr + ValidAsZeroBits + Default + Clone
{
}

impl Plain for f32 {}
impl Plain for u32 {}
impl Plain for i32 {}

impl<T: Plain> Memory<T> {
    pub(in crate::kernels) fn zeros(stream: &Arc<CudaStream>, len: usize) -> Result<Self> {
        let slice = stream
            .alloc_zeros::<T>(len.max(1))
            .on_gpu(&format!("taking {} MiB", (len * size_of::<T>()) >> 20))?;
        let start = slice.device_ptr(stream).0;
        Ok(Self { slice, start })
    }

    pub(in crate::kernels) fn of(stream: &Arc<CudaStream>, values: &[T]) -> Result<Self> {
        let mut memory = Self::zeros(stream, values.len())?;
        memory.write(0, values)?;
        Ok(memory)
    }

    pub(in crate::kernels) fn len(&self) -> usize {
        self.slice.len()
    }

    /// The address of number `at`.
    pub(in crate::kernels) fn address(&self, at: usize) -> u64 {
        self.start + (at * size_of::<T>()) as u64
    }

    pub(in crate::kernels) fn write(&mut self, at: usize, values: &[T]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let stream = self.slice.stream().clone();
        let mut to = self.slice.slice_mut(at..at + values.len());
        stream
            .memcpy_htod(values, &mut to)
            .on_gpu("writing memory")?;
        stream.synchronize().on_gpu("writing memory")
    }

    pub(in crate::kernels) fn read(&self, at: usize, len: usize) -> Result<Vec<T>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let stream = self.slice.stream();
        let values = stream
            .clone_dtoh(&self.slice.slice(at..at + len))
            .on_gpu("reading memory")?;
        stream.synchronize().on_gpu("reading memory")?;
        Ok(values)
    }
}

/// Memory of this machine that the GPU reads and writes by itself.
pub(in crate::kernels) struct Pinned {
    start: *mut u32,
    len: usize,
    context: Arc<CudaContext>,
}

// SAFETY: the memory is this value's alone.
unsafe impl Send for Pinned {}

impl Pinned {
    /// Words of zeros.
    pub(in crate::kernels) fn new(gpu: &Gpu, words: usize) -> Result<Self> {
        let doing = "allocating host memory";
        gpu.context.bind_to_thread().on_gpu(doing)?;
        // SAFETY: the context is bound; the memory is given back in `drop`.
        let start = unsafe { result::malloc_host(words * 4, 0) }.on_gpu(doing)?;
        let start = start.cast::<u32>();
        // SAFETY: as many words were just taken.
        unsafe { start.write_bytes(0, words) };
        Ok(Self {
            start,
            len: words,
            context: gpu.context.clone(),
        })
    }

    pub(in crate::kernels) fn words(&self) -> &[u32] {
        // SAFETY: `len` words, initialised; the GPU writes them only while a step waits for it.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    pub(in crate::kernels) fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as above, and the borrow is this one's.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: taken in `new`, and nothing of it is borrowed any more. What the driver says cannot be acted on.
            let _ = unsafe { result::free_host(self.start.cast()) };
        }
    }
}

/// A kernel with its arguments and its threads.
pub(in crate::kernels) struct Launch {
    function: CudaFunction,
    grid: (u32, u32, u32),
    threads: u32,
    /// The one argument, as words.
    argument: Box<[u64]>,
}

impl Launch {
    /// `argument` must be the structure that the kernel takes.
    pub(in crate::kernels) fn new<A: Argument>(
        gpu: &Gpu,
        kernel: &'static str,
        grid: (u32, u32, u32),
        threads: u32,
        argument: &A,
    ) -> Result<Self> {
        let mut words = vec![0u64; size_of::<A>().div_ceil(8)].into_boxed_slice();
        // SAFETY: an `Argument` is plain numbers, and there is room for all of it.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(argument).cast::<u8>(),
                words.as_mut_ptr().cast::<u8>(),
                size_of::<A>(),
            );
        }
        Ok(Self {
            function: gpu.function(kernel)?,
            grid,
            threads,
            argument: words,
        })
    }

    pub(in crate::kernels) fn run(&self, stream: &CudaStream) -> Result<(), DriverError> {
        let argument = self.argument.as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: the kernel takes one structure, which the words are; it stays in the memory that `Lowering` gave it.
        unsafe {
            result::launch_kernel(
                self.function.cu_function(),
                self.grid,
                (self.threads, 1, 1),
                0,
                stream.cu_stream(),
                &mut [argument],
            )
        }
    }
}

/// A structure that a kernel takes by value.
///
/// # Safety
/// `repr(C)`, plain numbers without padding, and the same as in the `.cu` files.
pub(in crate::kernels) unsafe trait Argument {}
