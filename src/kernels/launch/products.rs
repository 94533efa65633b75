//! Convolutions, linear layers and their gradients as launches: which kernel, and how warps share the work.

use super::arguments as args;
use super::lower::{ENOUGH_BLOCKS, Launches, Lowering, WARPS};
use super::tables::{Direction, number};
use crate::kernels::cpu::lanes::conv::Geometry;
use crate::kernels::memory::{Buffer, Kernel};
use crate::profile::Precision;

/// Warps that keep a large GPU busy.
const ENOUGH_WARPS: usize = 2112;
/// Rows and columns of a warp's part of a weight gradient.
const TILE: usize = 32;

/// Numbers of what parts of a weight gradient give.
pub(in crate::kernels) const PARTIAL: usize = 1 << 24;

/// How a product goes through its depth; the modes of `product.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Flat,
    OneByOne,
    Along,
    Across,
}

impl Lowering<'_> {
    fn in_precision(&self, exact: &'static str, tf32: &'static str) -> &'static str {
        match self.precision {
            Precision::F32 => exact,
            Precision::Tf32 => tf32,
        }
    }

    /// The product of weights with the pixels of `operands.0` into `operands.1`.
    pub(in crate::kernels) fn product(
        &mut self,
        g: &Geometry,
        kernel: Kernel,
        direction: Direction,
        (x, y): (Buffer, Buffer),
        product: args::Product,
    ) -> Launches {
        let ([taps, counts], all_taps) = self.tables.taps(g, direction)?;
        let forward = direction == Direction::Forward;
        let (rows, depth, pixels) = if forward {
            (g.out_channels, g.in_channels, g.out_pixels())
        } else {
            (g.in_channels, g.out_channels, g.pixels())
        };
        let (row_step, depth_step) = if forward {
            (g.depth(), 1)
        } else {
            (1, g.depth())
        };
        let columns = self.blocks * pixels;
        let kind = if depth < 16 {
            Algorithm::Flat
        } else if !depth.is_multiple_of(16) || !(forward || rows.is_multiple_of(4)) {
            Algorithm::OneByOne
        } else if forward {
            Algorithm::Along
        } else {
            Algorithm::Across
        };
        let tiles = if rows > 16 { 2 } else { 1 };
        let warps = columns * rows.div_ceil(16 * tiles);
        // Few results: several warps share the depth of each.
        let chunks = (all_taps * depth).div_ceil(8 * pixels.max(1));
        let mut parts = 1;
        while parts < WARPS && warps * parts < ENOUGH_WARPS && chunks / parts >= 8 {
            parts *= 2;
        }
        let argument = args::Product {
            x: self.at(x),
            w: self.parameter(kernel.weight),
            y: self.at(y),
            taps,
            counts,
            x_block: x.size() as u64,
            y_block: y.size() as u64,
            slots: number(g.kernel_height * g.kernel_width),
            pixels: number(pixels),
            columns: number(columns),
            rows: number(rows),
            depth: number(depth),
            row_step: number(row_step),
            depth_step: number(depth_step),
            tap_step: number(g.in_channels),
            parts: number(parts),
            ..product
        };
        let [exact, tf32] = match (kind, tiles) {
            (Algorithm::Flat, 1) => ["product_1_FLAT", "product_1_FLAT_TF32"],
            (Algorithm::Flat, _) => ["product_2_FLAT", "product_2_FLAT_TF32"],
            (Algorithm::OneByOne, 1) => ["product_1_ONE_BY_ONE", "product_1_ONE_BY_ONE_TF32"],
            (Algorithm::OneByOne, _) => ["product_2_ONE_BY_ONE", "product_2_ONE_BY_ONE_TF32"],
            (Algorithm::Along, 1) => ["product_1_ALONG", "product_1_ALONG_TF32"],
            (Algorithm::Along, _) => ["product_2_ALONG", "product_2_ALONG_TF32"],
            (Algorithm::Across, 1) => ["product_1_ACROSS", "product_1_ACROSS_TF32"],
            (Algorithm::Across, _) => ["product_2_ACROSS", "product_2_ACROSS_TF32"],
        };
        let kernel = self.in_precision(exact, tf32);
        let grid = (
            (columns * parts).div_ceil(WARPS),
            rows.div_ceil(16 * tiles),
            1,
        );
        self.launch(kernel, grid, &argument)
    }

    /// The products, in parts of the images where there are few weights, and then the parts' sum.
    pub(in crate::kernels) fn weights(
        &mut self,
        g: &Geometry,
        kernel: Kernel,
        x: Buffer,
        dy: Buffer,
    ) -> Launches {
        let sources = self.tables.sources(g)?;
        let rows = g.out_channels;
        let columns = g.depth() + usize::from(kernel.bias.is_some());
        // Warps of a block side by side; those left over share the images.
        let (exact, tf32, down, across) = match (rows > TILE, columns > 2 * TILE) {
            (false, false) => ("weight_gradient_1_1", "weight_gradient_1_1_TF32", 1, 1),
            (true, false) => ("weight_gradient_2_1", "weight_gradient_2_1_TF32", 2, 1),
            (false, true) => ("weight_gradient_1_8", "weight_gradient_1_8_TF32", 1, 8),
            (true, true) => ("weight_gradient_2_4", "weight_gradient_2_4_TF32", 2, 4),
        };
        let kernel_name = self.in_precision(exact, tf32);
        let grid = (columns.div_ceil(TILE * across), rows.div_ceil(TILE * down));
        let items = self.blocks * g.out_pixels();
        let shared = WARPS / (down * across);
        let most = (PARTIAL / (rows * columns)).min(items / 8) / shared;
        let apart = (ENOUGH_BLOCKS / (grid.0 * grid.1)).min(most).max(1);
        let parts = apart * shared;
        let argument = args::WeightGradient {
            x: self.at(x),
            dy: self.at(dy),
            dw: self.gradient(kernel.weight),
            db: kernel.bias.map_or(0, |b| self.gradient(b)),
            sources,
            partial: self.shared.partial,
            x_block: x.size() as u64,
            y_block: dy.size() as u64,
            slots: number(g.kernel_height * g.kernel_width),
            pixels: number(g.out_pixels()),
            items: number(items),
            rows: number(rows),
            depth: number(g.in_channels),
            columns: number(columns),
            parts: number(parts),
            padding: 0,
        };
        let grid = (grid.0, grid.1, apart);
        let mut launches = self.launch(kernel_name, grid, &argument)?;
        if parts > 1 {
            let grid = ((rows * columns).div_ceil(32), 1, 1);
            launches.extend(self.launch("weight_sums", grid, &argument)?);
        }
        Ok(launches)
    }
}
