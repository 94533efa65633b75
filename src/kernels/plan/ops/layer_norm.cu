// Layer normalisation. Number k of a group lies at row (outer·count + k)·inner + i of its block.

struct LayerNorm {
    const float *x, *dy;
    // **Shape** [block][group][mean, inverse deviation][32 images].
    float *statistics;
    float *to;
    const float *gamma, *beta;
    float *dgamma, *dbeta;
    Gate gate;
    u64 size, groups;
    int count, inner;
    double epsilon;
};

// A thread's group and image, where there is one for it.
struct LayerGroup {
    // Of its first number, and between its numbers.
    u64 first, step;
    u64 statistics;
    bool there;
};

__device__ __forceinline__ LayerGroup layer_group(const LayerNorm &p) {
    const u64 thread = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 group = thread / LANES, lane = thread % LANES;
    const u64 row = group / p.inner * p.count * p.inner + group % p.inner;
    return {row * LANES + lane, (u64)p.inner * LANES, group * 2 * LANES + lane, thread < p.groups};
}

extern "C" __global__ void __launch_bounds__(THREADS) layer_statistics(LayerNorm p) {
    const LayerGroup g = layer_group(p);
    if (!g.there) return;
    double sum = 0., squares = 0.;
    for (int k = 0; k < p.count; k++) sum += p.x[g.first + k * g.step];
    const double mean = sum / p.count;
    for (int k = 0; k < p.count; k++) {
        const double off = p.x[g.first + k * g.step] - mean;
        squares += off * off;
    }
    p.to[g.statistics] = (float)mean;
    p.to[g.statistics + LANES] = (float)(1. / sqrt(squares / p.count + p.epsilon));
}

// A thread for each number.
extern "C" __global__ void __launch_bounds__(THREADS) layer_norm(LayerNorm p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size) return;
    const u64 row = at / LANES;
    const int k = row / p.inner % p.count;
    const u64 group = row / p.inner / p.count * p.inner + row % p.inner;
    const float *of_group = p.statistics + group * 2 * LANES + at % LANES;
    p.to[at] = fmaf((p.x[at] - of_group[0]) * of_group[LANES], p.gamma[k], p.beta[k]);
}

extern "C" __global__ void __launch_bounds__(THREADS) layer_norm_back(LayerNorm p) {
    const LayerGroup g = layer_group(p);
    if (!g.there) return;
    const float mean = p.statistics[g.statistics], inverse = p.statistics[g.statistics + LANES];
    double sums = 0., dots = 0.;
    for (int k = 0; k < p.count; k++) {
        const u64 at = g.first + k * g.step;
        const double dy = p.dy[at] * p.gamma[k];
        sums += dy;
        dots += dy * ((p.x[at] - mean) * inverse);
    }
    const float average = (float)(sums / p.count), dot = (float)(dots / p.count);
    for (int k = 0; k < p.count; k++) {
        const u64 at = g.first + k * g.step;
        const float normal = (p.x[at] - mean) * inverse;
        p.to[at] = through(p.gate, at, fmaf(-normal, dot, p.dy[at] * p.gamma[k] - average) * inverse);
    }
}

// A block of threads for each number of the groups: warps take its rows in turn. Gradients of images that are not there
// are zero.
extern "C" __global__ void __launch_bounds__(THREADS) layer_norm_weights(LayerNorm p) {
    const int k = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u64 groups = p.groups / LANES;
    double dots = 0., sums = 0.;
    for (u64 group = warp; group < groups; group += WARPS) {
        const u64 row = (group / p.inner * p.count + k) * p.inner + group % p.inner;
        const u64 at = row * LANES + lane;
        const float *of_group = p.statistics + group * 2 * LANES + lane;
        const double dy = p.dy[at];
        dots += dy * ((p.x[at] - of_group[0]) * of_group[LANES]);
        sums += dy;
    }
    const double2 both = block_sum(dots, sums);
    if (threadIdx.x == 0) {
        p.dgamma[k] = (float)both.x;
        p.dbeta[k] = (float)both.y;
    }
}
