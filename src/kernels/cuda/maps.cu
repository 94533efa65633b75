// Normalisation, pooling and everything that works number by number on maps.

// What a normalisation multiplies with: y = (x − mean)·scale + shift.
struct Affine {
    float mean, scale, shift, inverse_deviation;
};

// dx = scale·(g − average) + slope·(x − mean).
struct Back {
    float mean, scale, average, slope;
};

struct Norm {
    const float *x, *y_or_dy;
    float *to;
    const Head *head;
    const float *gamma, *beta;
    float *dgamma, *dbeta;
    // Of this normalisation's channels.
    Affine *affine;
    Back *back;
    float *variance;
    const float *running_mean, *running_variance;
    // **Shape** [channels][parts].
    double2 *partial;
    u32 *counters;
    Gate gate;
    double epsilon;
    u64 size;
    int channels, pixels, blocks, parts, relu, padding;
};

// Σ (x − guess) and its square over the images there are; or Σ g and Σ g·(x − mean). A block of threads takes a part of
// a channel's pixels; the last one to finish adds them all up, in their order.
template <bool BACK>
__device__ __forceinline__ void channel_sums(const Norm &p) {
    const int channel = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 count = p.head->count;
    const float middle = BACK ? p.affine[channel].mean : p.x[channel * LANES];
    const int items = p.blocks * p.pixels;
    const int begin = (int)((u64)items * blockIdx.y / p.parts), end = (int)((u64)items * (blockIdx.y + 1) / p.parts);
    float first = 0.f, second = 0.f;
#pragma unroll 4
    for (int item = begin + warp; item < end; item += WARPS) {
        const int block = item / p.pixels;
        const u64 at = ((u64)item * p.channels + channel) * LANES + lane;
        if (block * LANES + lane < count) {
            const float off = p.x[at] - middle;
            if (BACK) {
                const float g = p.y_or_dy[at];
                first += g;
                second = fmaf(g, off, second);
            } else {
                first += off;
                second = fmaf(off, off, second);
            }
        }
    }
    double2 sums = block_sum(first, second);
    if (p.parts > 1) {
        double2 *partial = p.partial + (u64)channel * p.parts;
        if (threadIdx.x == 0) partial[blockIdx.y] = sums;
        if (!last_to_arrive(p.counters + channel, p.parts)) return;
        if (threadIdx.x == 0) {
            sums = make_double2(0., 0.);
            for (int part = 0; part < p.parts; part++) {
                sums.x += __ldcg(&partial[part].x);
                sums.y += __ldcg(&partial[part].y);
            }
        }
    }
    if (threadIdx.x > 0) return;
    const double n = (double)count * p.pixels;
    const float gamma = p.gamma[channel];
    if (BACK) {
        const Affine affine = p.affine[channel];
        const double deviation = affine.inverse_deviation, scale = gamma * deviation;
        p.dgamma[channel] = (float)(sums.y * deviation);
        p.dbeta[channel] = (float)sums.x;
        p.back[channel] = {affine.mean, (float)scale, (float)(sums.x / n), (float)(-scale * deviation * deviation * sums.y / n)};
    } else {
        const double mean = middle + sums.x / n;
        const double squares = sums.y - sums.x * sums.x / n;
        // What is not a number stays so.
        const double spread = squares < 0. ? 0. : squares;
        const float deviation = (float)(1. / sqrt(spread / n + p.epsilon));
        p.affine[channel] = {(float)mean, gamma * deviation, p.beta[channel], deviation};
        p.variance[channel] = (float)(spread / (n - 1.));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) moments(Norm p) { channel_sums<false>(p); }
extern "C" __global__ void __launch_bounds__(THREADS) gradient_sums(Norm p) { channel_sums<true>(p); }

// Four numbers a thread, as all of the kernels that follow where they say `four`.
__device__ __forceinline__ u64 four() { return ((u64)blockIdx.x * blockDim.x + threadIdx.x) * 4; }

__device__ __forceinline__ float normal(const Affine &a, bool relu, float x) {
    const float y = fmaf(x - a.mean, a.scale, a.shift);
    return relu && y < 0.f ? 0.f : y;
}

__device__ __forceinline__ void normalise_four(const Norm &p, const Affine &a, u64 at) {
    const float4 x = *(const float4 *)(p.x + at);
    *(float4 *)(p.to + at) =
        make_float4(normal(a, p.relu, x.x), normal(a, p.relu, x.y), normal(a, p.relu, x.z), normal(a, p.relu, x.w));
}

extern "C" __global__ void __launch_bounds__(THREADS) normalise(Norm p) {
    const u64 at = four();
    if (at < p.size) normalise_four(p, p.affine[(u32)(at / LANES) % p.channels], at);
}

extern "C" __global__ void __launch_bounds__(THREADS) affine(Norm p) {
    const u64 at = four();
    if (at >= p.size) return;
    const int channel = (u32)(at / LANES) % p.channels;
    const float deviation = (float)(1. / sqrt((double)p.running_variance[channel] + p.epsilon));
    normalise_four(p, {p.running_mean[channel], p.gamma[channel] * deviation, p.beta[channel], deviation}, at);
}

extern "C" __global__ void __launch_bounds__(THREADS) normalise_back(Norm p) {
    const u64 at = four();
    if (at >= p.size) return;
    const u32 row = at / LANES;
    const Back b = p.back[row % p.channels];
    const int image = row / (u32)(p.channels * p.pixels) * LANES + at % LANES;
    const int alive = (int)p.head->count - image;
    const float4 x = *(const float4 *)(p.x + at), dy = *(const float4 *)(p.y_or_dy + at);
    const float xs[4] = {x.x, x.y, x.z, x.w}, gs[4] = {dy.x, dy.y, dy.z, dy.w};
    float out[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float dx = fmaf(b.scale, gs[i] - b.average, (xs[i] - b.mean) * b.slope);
        out[i] = i < alive ? through(p.gate, at + i, dx) : 0.f;
    }
    *(float4 *)(p.to + at) = make_float4(out[0], out[1], out[2], out[3]);
}

// Number by number: y = f(a), f(a + b), or gradients.
struct Pointwise {
    const float *a, *b, *x;
    float *to;
    Gate gate;
    u64 size;
    int activation, padding;
};

extern "C" __global__ void __launch_bounds__(THREADS) activation(Pointwise p) {
    const u64 at = four();
    if (at >= p.size) return;
    const float4 a = *(const float4 *)(p.a + at);
    *(float4 *)(p.to + at) = make_float4(activate(p.activation, a.x), activate(p.activation, a.y), activate(p.activation, a.z),
                                         activate(p.activation, a.w));
}

// to = f(a + b), through the gate: a sum of maps, or of gradients.
extern "C" __global__ void __launch_bounds__(THREADS) sum_of_two(Pointwise p) {
    const u64 at = four();
    if (at >= p.size) return;
    const float4 a = *(const float4 *)(p.a + at), b = *(const float4 *)(p.b + at);
    const float sums[4] = {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
    float out[4];
#pragma unroll
    for (int i = 0; i < 4; i++) out[i] = through(p.gate, at + i, activate(p.activation, sums[i]));
    *(float4 *)(p.to + at) = make_float4(out[0], out[1], out[2], out[3]);
}

// to = a · f′, with f′ from f's input x and result b where it doesn't follow from the result alone.
extern "C" __global__ void __launch_bounds__(THREADS) activation_back(Pointwise p) {
    const u64 at = four();
    if (at >= p.size) return;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float dy = p.a[at + i], y = p.b[at + i];
        float dx;
        if (p.activation == GELU) {
            const float x = p.x[at + i];
            dx = dy * fmaf(x, 0.3989422804f * expf(-0.5f * x * x), normcdff(x));
        } else if (p.activation == SILU) {
            const float x = p.x[at + i], s = 1.f / (1.f + expf(-x));
            dx = dy * s * fmaf(x, 1.f - s, 1.f);
        } else {
            dx = gated(p.activation, y, dy);
        }
        p.to[at + i] = through(p.gate, at + i, dx);
    }
}

// A window over a map. Padding counts as zeros in a mean and not at all in a maximum.
struct Pool {
    const float *x, *y, *dy;
    float *to;
    Gate gate;
    u64 size;
    int channels, height, width, kernel_height, kernel_width, stride, margin, out_height, out_width;
    float share;
};

// Where four neighbouring numbers lie: of images `lane` … `lane + 3` of a block.
struct Place {
    u32 lane, channel, row, column, block;
};

__device__ __forceinline__ Place place(u32 fourth, u32 channels, u32 height, u32 width) {
    Place p;
    p.lane = fourth % 8 * 4;
    u32 row = fourth / 8;
    p.channel = row % channels;
    row /= channels;
    p.column = row % width;
    row /= width;
    p.row = row % height;
    p.block = row / height;
    return p;
}

__device__ __forceinline__ u64 number(const Place &p, u32 channels, u32 height, u32 width, u32 row, u32 column) {
    return ((u64)((p.block * height + row) * width + column) * channels + p.channel) * LANES + p.lane;
}

__device__ __forceinline__ u32 fourth() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ __forceinline__ float larger(float most, float x) { return x > most || x != x ? x : most; }

template <bool MAX>
__device__ __forceinline__ void pool(const Pool &p) {
    const u32 index = fourth();
    if (index >= p.size / 4) return;
    const Place o = place(index, p.channels, p.out_height, p.out_width);
    const int top = o.row * p.stride - p.margin, left = o.column * p.stride - p.margin;
    const float start = MAX ? -INFINITY : 0.f;
    float4 v = make_float4(start, start, start, start);
    for (int row = max(top, 0); row < min(top + p.kernel_height, p.height); row++)
        for (int column = max(left, 0); column < min(left + p.kernel_width, p.width); column++) {
            const float4 x = *(const float4 *)(p.x + number(o, p.channels, p.height, p.width, row, column));
            if (MAX)
                v = make_float4(larger(v.x, x.x), larger(v.y, x.y), larger(v.z, x.z), larger(v.w, x.w));
            else
                v = make_float4(v.x + x.x, v.y + x.y, v.z + x.z, v.w + x.w);
        }
    if (!MAX) v = make_float4(v.x * p.share, v.y * p.share, v.z * p.share, v.w * p.share);
    *(float4 *)(p.to + (u64)index * 4) = v;
}

extern "C" __global__ void __launch_bounds__(THREADS) max_pool(Pool p) { pool<true>(p); }
extern "C" __global__ void __launch_bounds__(THREADS) mean_pool(Pool p) { pool<false>(p); }

// From every window over a pixel its share of the gradient: all of it to the first pixel that is the maximum.
template <bool MAX>
__device__ __forceinline__ void pool_back(const Pool &p) {
    const u32 index = fourth();
    if (index >= p.size / 4) return;
    const Place i = place(index, p.channels, p.height, p.width);
    const int row = i.row + p.margin, column = i.column + p.margin;
    const int first_row = row < p.kernel_height ? 0 : (row - p.kernel_height) / p.stride + 1;
    const int first_column = column < p.kernel_width ? 0 : (column - p.kernel_width) / p.stride + 1;
    const u64 at = (u64)index * 4;
    __align__(16) float x[4] = {};
    float sum[4] = {};
    if (MAX) *(float4 *)x = *(const float4 *)(p.x + at);
    for (int o = first_row; o <= min(row / p.stride, p.out_height - 1); o++)
        for (int q = first_column; q <= min(column / p.stride, p.out_width - 1); q++) {
            const u64 to = number(i, p.channels, p.out_height, p.out_width, o, q);
            __align__(16) float dy[4], most[4], other[4];
            *(float4 *)dy = *(const float4 *)(p.dy + to);
            if (!MAX) {
#pragma unroll
                for (int n = 0; n < 4; n++) sum[n] = fmaf(dy[n], p.share, sum[n]);
                continue;
            }
            *(float4 *)most = *(const float4 *)(p.y + to);
            bool wins[4];
#pragma unroll
            for (int n = 0; n < 4; n++) wins[n] = x[n] == most[n];
            const int top = max(o * p.stride - p.margin, 0), left = max(q * p.stride - p.margin, 0);
            const int right = min(q * p.stride - p.margin + p.kernel_width, p.width);
            for (int r = top; r <= (int)i.row; r++)
                for (int c = left; c < (r == (int)i.row ? (int)i.column : right); c++) {
                    *(float4 *)other = *(const float4 *)(p.x + number(i, p.channels, p.height, p.width, r, c));
#pragma unroll
                    for (int n = 0; n < 4; n++) wins[n] &= other[n] != most[n];
                }
#pragma unroll
            for (int n = 0; n < 4; n++) sum[n] += wins[n] ? dy[n] : 0.f;
        }
#pragma unroll
    for (int n = 0; n < 4; n++) sum[n] = through(p.gate, at + n, sum[n]);
    *(float4 *)(p.to + at) = make_float4(sum[0], sum[1], sum[2], sum[3]);
}

extern "C" __global__ void __launch_bounds__(THREADS) max_pool_back(Pool p) { pool_back<true>(p); }
extern "C" __global__ void __launch_bounds__(THREADS) mean_pool_back(Pool p) { pool_back<false>(p); }

// Weightless sums of pixels, and their way back: for each pixel of the result the pixels it adds up.
struct Resample {
    const float *from;
    float *to;
    // **Shape** [pixels + 1], and {pixel, weight's bits}.
    const int *starts;
    const int2 *terms;
    Gate gate;
    u64 size;
    int channels, pixels, from_channels, from_pixels;
    // Channel c of the result is channel c + shift of what is added up.
    int shift, padding;
};

extern "C" __global__ void __launch_bounds__(THREADS) resample(Resample p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size) return;
    Place o = place(at / 4, p.channels, 1, p.pixels);
    o.lane = at % LANES;
    const int channel = o.channel + p.shift;
    float sum = 0.f;
    if (channel >= 0 && channel < p.from_channels)
        for (int n = p.starts[o.column]; n < p.starts[o.column + 1]; n++) {
            const int2 term = p.terms[n];
            const u64 row = (u64)(o.block * p.from_pixels + term.x) * p.from_channels + channel;
            sum = fmaf(p.from[row * LANES + o.lane], __int_as_float(term.y), sum);
        }
    p.to[at] = through(p.gate, at, sum);
}

struct Reorder {
    const float *x;
    float *to;
    Gate gate;
    u64 size;
    int channels, pixels;
};

// to[block][channel][pixel] = x[block][pixel][channel].
extern "C" __global__ void __launch_bounds__(THREADS) reorder(Reorder p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size) return;
    const u64 row = at / LANES;
    const int pixel = row % p.pixels;
    const u64 rest = row / p.pixels;
    const int channel = rest % p.channels;
    const u64 block = rest / p.channels;
    const u64 from = (block * p.pixels + pixel) * p.channels + channel;
    p.to[at] = through(p.gate, at, p.x[from * LANES + at % LANES]);
}

// Philox 4x32-10 (Salmon et al., 2011), as `rng`.
__device__ __forceinline__ uint4 philox(uint4 counter, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 a = (u64)counter.x * 0xD2511F53u, b = (u64)counter.z * 0xCD9E8D57u;
        counter = make_uint4((u32)(b >> 32) ^ counter.y ^ key.x, (u32)b, (u32)(a >> 32) ^ counter.w ^ key.y, (u32)a);
        key.x += 0x9E3779B9u;
        key.y += 0xBB67AE85u;
    }
    return counter;
}

struct Dropout {
    const float *x;
    float *to;
    const Head *head;
    Gate gate;
    u64 size, layer, purpose;
    int channels, pixels;
    u32 threshold;
    float factor;
};

extern "C" __global__ void __launch_bounds__(THREADS) dropout(Dropout p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size) return;
    Place o = place(at / 4, p.channels, 1, p.pixels);
    o.lane = at % LANES;
    const u64 features = (u64)p.channels * p.pixels;
    const u64 index = (u64)(o.block * LANES + o.lane) * features + (u64)o.channel * p.pixels + o.column;
    const u64 key = p.head->seed ^ (p.purpose << 56), high = (p.layer << 40) ^ p.head->step, block = index / 4;
    const uint4 words = philox(make_uint4((u32)block, (u32)(block >> 32), (u32)high, (u32)(high >> 32)),
                               make_uint2((u32)key, (u32)(key >> 32)));
    const u32 four[4] = {words.x, words.y, words.z, words.w};
    p.to[at] = through(p.gate, at, four[index % 4] >> 8 >= p.threshold ? p.x[at] * p.factor : 0.f);
}
