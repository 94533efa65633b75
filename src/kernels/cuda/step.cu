// What frames a step: images in, logits out, the loss, the gradient's norm, the update.

// Rows of images into lanes: 32 images × 32 numbers at a time, through shared memory.
struct Load {
    float *to;
    const Head *head;
    int channels, pixels;
};

__device__ __forceinline__ const u32 *picks(const Head *head) { return (const u32 *)(head + 1); }

extern "C" __global__ void __launch_bounds__(THREADS) load(Load p) {
    __shared__ float tile[LANES][LANES + 1];
    const int features = p.channels * p.pixels, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first = blockIdx.x * LANES, block = blockIdx.y;
    for (int of_block = warp; of_block < LANES; of_block += WARPS) {
        const u32 image = block * LANES + of_block;
        const int feature = first + lane;
        tile[of_block][lane] = image < p.head->count && feature < features
                                   ? p.head->rows[(u64)picks(p.head)[image] * features + feature]
                                   : 0.f;
    }
    __syncthreads();
    for (int n = warp; n < LANES; n += WARPS) {
        const int feature = first + n;
        if (feature >= features) return;
        const int channel = feature / p.pixels, pixel = feature % p.pixels;
        p.to[(u64)block * features * LANES + ((u64)pixel * p.channels + channel) * LANES + lane] = tile[lane][n];
    }
}

// Logits out of their lanes: **Shape** [images][classes].
struct Unload {
    const float *logits;
    float *rows;
    u64 size;
    int classes, padding;
};

extern "C" __global__ void __launch_bounds__(THREADS) unload(Unload p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size) return;
    const u64 image = at / p.classes;
    p.rows[at] = p.logits[(image / LANES * p.classes + at % p.classes) * LANES + image % LANES];
}

// What a block's images contribute to the batch.
struct Share {
    double loss;
    u64 correct;
};

struct Loss {
    const float *logits;
    float *gradient;
    const Head *head;
    Share *shares;
    // **Shape** [capacity][classes] with label smoothing, then [capacity] factors.
    const float *targets;
    double smoothing;
    int classes, squared, capacity, padding;
};

// Cross-entropy of an image's softmax with a target for every class, times its factor, and the gradient.
__device__ double soft_loss(const Loss &p, u32 image, u32 count, const float *logits, float most, float *gradient) {
    const float *targets = p.targets + (u64)image * p.classes;
    const double factor = p.targets[(u64)p.capacity * p.classes + image], share = factor / count;
    float sum = 0.f;
    double asked = 0., total = 0.;
    for (int k = 0; k < p.classes; k++) {
        sum += expf(logits[k * LANES] - most);
        asked += targets[k];
    }
    const double log_sum = (double)most + log((double)sum);
    const float inverse = 1.f / sum;
    for (int k = 0; k < p.classes; k++) {
        const float x = logits[k * LANES];
        const double target = targets[k];
        if (target > 0.) total += target * (log_sum - x);
        gradient[k * LANES] = (float)(share * ((double)(expf(x - most) * inverse) * asked - target));
    }
    return factor * total;
}

// A warp a block, a thread an image.
extern "C" __global__ void __launch_bounds__(32) loss(Loss p) {
    const int lane = threadIdx.x, block = blockIdx.x;
    const u32 image = block * LANES + lane, count = p.head->count;
    const float *logits = p.logits + (u64)block * p.classes * LANES + lane;
    float *gradient = p.gradient + (u64)block * p.classes * LANES + lane;
    double total = 0.;
    u32 right = 0;
    if (image >= count) {
        for (int k = 0; k < p.classes; k++) gradient[k * LANES] = 0.f;
    } else {
        const u32 label = (picks(p.head) + p.capacity)[image];
        float most = -INFINITY;
        int best = 0;
        for (int k = 0; k < p.classes; k++) {
            const float x = logits[k * LANES];
            if (x > logits[best * LANES]) best = k;
            most = x > most || x != x ? x : most;
        }
        right = best == label;
        if (p.head->soft) {
            total = soft_loss(p, image, count, logits, most, gradient);
        } else if (p.squared) {
            for (int k = 0; k < p.classes; k++) {
                const double off = (double)logits[k * LANES] - (k == label ? 1. : 0.);
                total += off * off;
                gradient[k * LANES] = (float)(2. * off / ((double)count * p.classes));
            }
            total /= p.classes;
        } else {
            float sum = 0.f;
            for (int k = 0; k < p.classes; k++) sum += expf(logits[k * LANES] - most);
            const double log_sum = (double)most + log((double)sum), spread = p.smoothing / p.classes;
            total = (1. - p.smoothing) * (log_sum - logits[label * LANES]);
            const float share = (float)(1. / count), less = (float)(spread / count), asked = (float)((1. - p.smoothing) / count);
            const float inverse = 1.f / sum;
            for (int k = 0; k < p.classes; k++) {
                const float x = logits[k * LANES];
                if (spread > 0.) total += spread * (log_sum - x);
                gradient[k * LANES] = fmaf(expf(x - most) * inverse, share, -less) - (k == label ? asked : 0.f);
            }
        }
    }
    for (int apart = 16; apart > 0; apart /= 2) {
        total += __shfl_down_sync(~0u, total, apart);
        right += __shfl_down_sync(~0u, right, apart);
    }
    if (lane == 0) p.shares[block] = {total, right};
}

struct Measure {
    const float *gradients;
    const Head *head;
    const Share *shares;
    Result *result;
    double2 *partial;
    u32 *counter;
    u64 size;
    int blocks, padding;
};

// The gradient's norm and the batch's loss, and whether both are finite.
extern "C" __global__ void __launch_bounds__(THREADS) measure(Measure p) {
    float squares = 0.f;
    for (u64 at = four(); at < p.size; at += (u64)gridDim.x * blockDim.x * 4) {
        const float4 g = *(const float4 *)(p.gradients + at);
        squares += g.x * g.x + g.y * g.y + g.z * g.z + g.w * g.w;
    }
    const double2 own = block_sum(squares, 0.);
    if (threadIdx.x == 0) p.partial[blockIdx.x] = own;
    if (!last_to_arrive(p.counter, gridDim.x)) return;
    double mine = 0., lost = 0.;
    u32 right = 0;
    for (int part = threadIdx.x; part < gridDim.x; part += THREADS) mine += __ldcg(&p.partial[part].x);
    for (int block = threadIdx.x; block < p.blocks; block += THREADS) lost += p.shares[block].loss;
    const double2 sums = block_sum(mine, lost);
    if (threadIdx.x > 0) return;
    for (int block = 0; block < p.blocks; block++) right += (u32)p.shares[block].correct;
    const double norm = sqrt(sums.x), loss = sums.y / p.head->count;
    const double clip = p.head->clip > 0. ? fmin(p.head->clip / (norm + 1e-6), 1.) : 1.;
    *p.result = {loss, norm, right, isfinite(loss) && isfinite(norm), (float)clip, 0};
}

struct Update {
    float *parameters;
    const float *gradients;
    // First moment or velocity, mean of squares, averages: each may be missing. Factors on the learning rate, where
    // the head says so.
    float *first, *second, *average;
    const float *rates;
    const Head *head;
    const Result *result;
    u64 size;
};

extern "C" __global__ void __launch_bounds__(THREADS) update(Update p) {
    const u64 at = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.size || !p.result->finite) return;
    const Head &h = *p.head;
    const float factor = h.rated ? p.rates[at] : 1.f, rate = h.learning_rate * factor, before = p.parameters[at];
    const float gradient = fmaf(h.l2, before, p.gradients[at] * p.result->clip);
    float now;
    if (h.rule == ADAM) {
        const float first = fmaf(h.beta1, p.first[at], h.rest1 * gradient);
        const float second = fmaf(h.beta2, p.second[at], h.rest2 * gradient * gradient);
        p.first[at] = first;
        p.second[at] = second;
        const float deviation = fmaf(sqrtf(second), h.correction2, h.epsilon);
        now = before * (1.f - h.decay * factor) - h.step_size * factor * first / deviation;
    } else if (h.rule == RMSPROP) {
        const float second = fmaf(h.beta2, p.second[at], h.rest2 * gradient * gradient);
        p.second[at] = second;
        float move = gradient / (sqrtf(second) + h.epsilon);
        if (p.first) p.first[at] = move = fmaf(h.momentum, p.first[at], move);
        now = before - rate * move;
    } else {
        float move = gradient;
        if (p.first) {
            const float moved = fmaf(h.momentum, p.first[at], gradient);
            p.first[at] = moved;
            move = h.nesterov ? fmaf(h.momentum, moved, gradient) : moved;
        }
        now = before - rate * move;
    }
    p.parameters[at] = now;
    if (p.average) p.average[at] = fmaf(h.average_decay, p.average[at], h.average_rest * now);
}

// Moves the running statistics of all normalisations on.
struct Commit {
    const Affine *affine;
    const float *variance;
    float *running_mean, *running_variance;
    const Result *result;
    int channels;
    float momentum;
};

extern "C" __global__ void __launch_bounds__(THREADS) commit(Commit p) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= p.channels || !p.result->finite) return;
    p.running_mean[channel] = p.running_mean[channel] * (1.f - p.momentum) + p.affine[channel].mean * p.momentum;
    p.running_variance[channel] = p.running_variance[channel] * (1.f - p.momentum) + p.variance[channel] * p.momentum;
}
