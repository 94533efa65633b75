// Convolutions, linear layers and their gradients as matrix products on tensor cores.
//
// EXACT: every operand is split into two TF32 numbers, whose products are added up from small to large; tensor cores round
// towards zero, so they add up short stretches of the depth, and those are added outside (Ootomo and Yokota, 2022). The
// result is as exact as one in f32. Else operands are rounded to TF32 (11 bits), and tensor cores add all of it up.

// Fragments of mma.m16n8k8: with g = lane / 4 and t = lane % 4, a thread holds A(g, t), A(g+8, t), A(g, t+4), A(g+8, t+4),
// B(t, g), B(t+4, g), and C(g, 2t), C(g, 2t+1), C(g+8, 2t), C(g+8, 2t+1). In which order the depth goes into the slots
// t and t+4 is free, as long as A and B agree.
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Rounds to TF32 and keeps what is left over; the tensor cores ignore the bits that TF32 lacks.
template <int N>
__device__ __forceinline__ void split(const float (&x)[N], u32 (&high)[N], u32 (&low)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        high[i] = (__float_as_uint(x[i]) + 0x1000u) & 0xffffe000u;
        low[i] = __float_as_uint(x[i] - __uint_as_float(high[i])) + 0x1000u;
    }
}

template <int N>
__device__ __forceinline__ void round_all(const float (&x)[N], u32 (&rounded)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) rounded[i] = __float_as_uint(x[i]) + 0x1000u;
}

// sum += a · b of 16·MT rows, 32 columns and a depth of 8.
template <int MT, bool EXACT>
__device__ __forceinline__ void multiply_all(float (&sum)[MT][4][4], const float (&a)[MT][4], const float (&b)[4][2]) {
    if (!EXACT) {
        u32 b_rounded[4][2];
#pragma unroll
        for (int j = 0; j < 4; j++) round_all(b[j], b_rounded[j]);
#pragma unroll
        for (int i = 0; i < MT; i++) {
            u32 a_rounded[4];
            round_all(a[i], a_rounded);
#pragma unroll
            for (int j = 0; j < 4; j++) multiply(sum[i][j], a_rounded, b_rounded[j]);
        }
        return;
    }
    u32 b_high[4][2], b_low[4][2];
#pragma unroll
    for (int j = 0; j < 4; j++) split(b[j], b_high[j], b_low[j]);
#pragma unroll
    for (int i = 0; i < MT; i++) {
        u32 a_high[4], a_low[4];
        split(a[i], a_high, a_low);
#pragma unroll
        for (int j = 0; j < 4; j++) multiply(sum[i][j], a_low, b_high[j]);
#pragma unroll
        for (int j = 0; j < 4; j++) multiply(sum[i][j], a_high, b_low[j]);
#pragma unroll
        for (int j = 0; j < 4; j++) multiply(sum[i][j], a_high, b_high[j]);
    }
}

// Adds a stretch to the sum and begins the next.
template <int MT>
__device__ __forceinline__ void add_stretch(float (&sum)[MT][4][4], float (&stretch)[MT][4][4]) {
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                sum[i][j][c] += stretch[i][j][c];
                stretch[i][j][c] = 0.f;
            }
}

// y = f(x ∗ w + bias), or the gradient to a convolution's input: for each pixel of the result the weights of every tap
// that meets a pixel of x, times that pixel's channels.
struct Product {
    const float *x, *w, *bias;
    float *y;
    // **Shape** [pixels][slots] of {pixel of x, tap}, of which counts[pixel] are there.
    const int2 *taps;
    const int *counts;
    Gate gate;
    u64 x_block, y_block;
    int slots, pixels, columns;
    // Channels of the result and of x.
    int rows, depth;
    // Between weights: of neighbouring rows, channels of x, taps.
    int row_step, depth_step, tap_step;
    int activation, add;
    // Warps that share a column's depth: 1, 2, 4 or 8.
    int parts;
    int padding;
};

// How the depth is gone through: number by number, or by 16 channels of a tap: with weights of which four channels are
// neighbours, or four rows, or which are read one by one.
enum Mode { FLAT, ALONG, ACROSS, ONE_BY_ONE };

// Row `which` of a lane's 2·MT: as the matrix product numbers them, or neighbours where those lie side by side.
template <int MT, int MODE>
__device__ __forceinline__ int row_of(int g, int which) {
    return MODE == ACROSS ? 2 * MT * g + which : 8 * which + g;
}

// Steps through the depth that tensor cores add up by themselves.
constexpr int STRETCH = 2;

// A depth of 8: numbers 2t and 2t + 1 of it for the lane's rows and its images 4g … 4g + 3.
template <int MT, bool EXACT>
__device__ __forceinline__ void step_flat(const Product &p, const float *x, const int2 *taps, int depth, int first, int chunk,
                                          float (&sum)[MT][4][4]) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    float a[MT][4], b[4][2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int k = chunk * 8 + 2 * t + h;
        const bool there = k < depth;
        const int2 tap = there ? taps[k / p.depth] : make_int2(0, 0);
        const int channel = k % p.depth;
        const float4 four = there ? *(const float4 *)(x + ((u64)tap.x * p.depth + channel) * LANES) : make_float4(0.f, 0.f, 0.f, 0.f);
        b[0][h] = four.x;
        b[1][h] = four.y;
        b[2][h] = four.z;
        b[3][h] = four.w;
        const float *w = p.w + tap.y * p.tap_step + (u64)channel * p.depth_step;
#pragma unroll
        for (int which = 0; which < 2 * MT; which++) {
            const int row = first + row_of<MT, FLAT>(g, which);
            a[which / 2][2 * h + which % 2] = there && row < p.rows ? w[(u64)row * p.row_step] : 0.f;
        }
    }
    multiply_all<MT, EXACT>(sum, a, b);
}

// A depth of 16: channels 4t … 4t + 3, of which `left` are there (all of them, but for ONE_BY_ONE). Rows beyond the last
// read some other one's weights; nobody writes their sums.
template <int MT, int MODE, bool EXACT>
__device__ __forceinline__ void step_wide(const Product &p, const float *x, const float *w, int left, const u32 (&rows)[2 * MT],
                                          float (&sum)[MT][4][4]) {
    float4 b[4];
#pragma unroll
    for (int n = 0; n < 4; n++)
        b[n] = MODE != ONE_BY_ONE || n < left ? *(const float4 *)(x + n * LANES) : make_float4(0.f, 0.f, 0.f, 0.f);
    float a[4][2 * MT];
    if (MODE == ONE_BY_ONE) {
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int which = 0; which < 2 * MT; which++) a[n][which] = n < left ? w[n * p.depth_step + rows[which]] : 0.f;
    } else if (MODE == ALONG) {
#pragma unroll
        for (int which = 0; which < 2 * MT; which++) {
            const float4 four = *(const float4 *)(w + rows[which]);
            a[0][which] = four.x;
            a[1][which] = four.y;
            a[2][which] = four.z;
            a[3][which] = four.w;
        }
    } else {
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const float *from = w + n * p.depth_step;
            if (MT == 1) {
                const float2 two = *(const float2 *)(from + rows[0]);
                a[n][0] = two.x;
                a[n][1] = two.y;
            } else {
#pragma unroll
                for (int which = 0; which < 2 * MT; which += 4) {
                    const float4 four = *(const float4 *)(from + rows[which]);
                    a[n][which] = four.x;
                    a[n][which + 1] = four.y;
                    a[n][which + 2] = four.z;
                    a[n][which + 3] = four.w;
                }
            }
        }
    }
#pragma unroll
    for (int h = 0; h < 4; h += 2) {
        float own_a[MT][4];
#pragma unroll
        for (int i = 0; i < MT; i++) {
            own_a[i][0] = a[h][2 * i];
            own_a[i][1] = a[h][2 * i + 1];
            own_a[i][2] = a[h + 1][2 * i];
            own_a[i][3] = a[h + 1][2 * i + 1];
        }
        const float own_b[4][2] = {{b[h].x, b[h + 1].x}, {b[h].y, b[h + 1].y}, {b[h].z, b[h + 1].z}, {b[h].w, b[h + 1].w}};
        multiply_all<MT, EXACT>(sum, own_a, own_b);
    }
}

template <int MT, int MODE, bool EXACT>
__device__ __forceinline__ void product(const Product &p) {
    __shared__ float apart[WARPS][16][32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int part = warp % p.parts, column = blockIdx.x * (WARPS / p.parts) + warp / p.parts;
    const int first = blockIdx.y * 16 * MT;
    const bool live = column < p.columns;
    const int block = live ? column / p.pixels : 0, pixel = live ? column % p.pixels : 0;
    float sum[MT][4][4] = {};
    if (live) {
        float stretch[MT][4][4] = {};
        const float *x = p.x + block * p.x_block + 4 * g;
        const int2 *taps = p.taps + (u64)pixel * p.slots;
        const int depth = p.counts[pixel] * p.depth, of_tap = (p.depth + 15) / 16;
        const int chunks = MODE == FLAT ? (depth + 7) / 8 : p.counts[pixel] * of_tap;
        int chunk = (int)((u64)chunks * part / p.parts);
        const int end = (int)((u64)chunks * (part + 1) / p.parts);
        if (MODE == FLAT) {
            for (; chunk < end; chunk++) {
                step_flat<MT, EXACT>(p, x, taps, depth, first, chunk, stretch);
                if (EXACT && chunk % STRETCH == 0) add_stretch<MT>(sum, stretch);
            }
        } else if (chunk < end) {
            u32 rows[2 * MT];
#pragma unroll
            for (int which = 0; which < 2 * MT; which++) {
                const int row = first + row_of<MT, MODE>(g, which);
                rows[which] = (row < p.rows ? row : 0) * p.row_step;
            }
            int tap = chunk / of_tap, channel = chunk % of_tap * 16;
            for (; chunk < end; tap++, channel = 0) {
                const int2 met = taps[tap];
                const float *from = x + ((u64)met.x * p.depth + channel + 4 * t) * LANES;
                const float *w = p.w + met.y * p.tap_step + (channel + 4 * t) * p.depth_step;
                const int last = min(end, chunk + of_tap - channel / 16);
                int left = p.depth - channel - 4 * t;
                for (; chunk < last; chunk++) {
                    step_wide<MT, MODE, EXACT>(p, from, w, left, rows, stretch);
                    if (EXACT && chunk % STRETCH == 0) add_stretch<MT>(sum, stretch);
                    from += 16 * LANES;
                    w += 16 * p.depth_step;
                    left -= 16;
                }
            }
        }
        add_stretch<MT>(sum, stretch);
    }
    if (p.parts > 1) {
#pragma unroll
        for (int i = 0; i < MT; i++) {
#pragma unroll
            for (int c = 0; c < 16; c++) apart[warp][c][lane] = sum[i][c / 4][c % 4];
            __syncthreads();
            if (part == 0)
                for (int other = 1; other < p.parts; other++)
#pragma unroll
                    for (int c = 0; c < 16; c++) sum[i][c / 4][c % 4] += apart[warp + other][c][lane];
            __syncthreads();
        }
    }
    if (!live || part > 0) return;
    // Columns 2t and 2t + 1 of tile j are images 8t + j and 8t + 4 + j.
#pragma unroll
    for (int which = 0; which < 2 * MT; which++) {
        const int row = first + row_of<MT, MODE>(g, which);
        if (row >= p.rows) continue;
        const float bias = p.bias ? p.bias[row] : 0.f;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const u64 at = block * p.y_block + ((u64)pixel * p.rows + row) * LANES + 8 * t + 4 * h;
            float4 *to = (float4 *)(p.y + at);
            float v[4];
#pragma unroll
            for (int j = 0; j < 4; j++) v[j] = sum[which / 2][j][2 * (which % 2) + h] + bias;
            if (p.add) {
                const float4 before = *to;
                v[0] += before.x;
                v[1] += before.y;
                v[2] += before.z;
                v[3] += before.w;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) v[j] = through(p.gate, at + j, activate(p.activation, v[j]));
            *to = make_float4(v[0], v[1], v[2], v[3]);
        }
    }
}

#define PRODUCT(MT, MODE) \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) product_##MT##_##MODE(Product p) { product<MT, MODE, true>(p); } \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) product_##MT##_##MODE##_TF32(Product p) { \
        product<MT, MODE, false>(p); \
    }
PRODUCT(1, FLAT)
PRODUCT(2, FLAT)
PRODUCT(1, ONE_BY_ONE)
PRODUCT(2, ONE_BY_ONE)
PRODUCT(1, ALONG)
PRODUCT(2, ALONG)
PRODUCT(1, ACROSS)
PRODUCT(2, ACROSS)

// The gradients to a convolution's weights and biases: for every weight the products of dy with the pixels of x that its
// tap meets, over all images. A bias is a weight whose x is 1.
struct Weights {
    const float *x, *dy;
    // **Shape** [rows][slots · depth], and [rows].
    float *dw, *db;
    // **Shape** [pixels][slots]: the pixel of x that a tap meets, or −1.
    const int *sources;
    // What parts of the images give: **Shape** [parts][rows][columns].
    float *partial;
    u64 x_block, y_block;
    int slots, pixels, items;
    int rows, depth, columns;
    int parts, padding;
};

__device__ __forceinline__ void put_weight(const Weights &p, int row, int column, float value) {
    const int weights = p.slots * p.depth;
    if (column < weights)
        p.dw[(u64)row * weights + column] = value;
    else
        p.db[row] = value;
}

// A block of threads goes through images for 32·ROWS × 32·COLUMNS weights, 32 × 32 a warp; what is left of its 8 warps
// takes other parts of the images.
template <int ROWS, int COLUMNS, bool EXACT>
__device__ __forceinline__ void weight_gradient(const Weights &p) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int part = blockIdx.z * (WARPS / (ROWS * COLUMNS)) + warp / (ROWS * COLUMNS);
    const int first_row = (blockIdx.y * ROWS + warp % ROWS) * 32;
    const int first_column = (blockIdx.x * COLUMNS + warp / ROWS % COLUMNS) * 32;
    if (first_row >= p.rows || first_column >= p.columns) return;
    const int weights = p.slots * p.depth;
    // A column's tap, or that it is a bias or nothing; and its channel's place in a pixel.
    constexpr int BIAS = -1, NOTHING = -2;
    int tap[4];
    u32 offset[4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const int n = first_column + 8 * j + g;
        tap[j] = n < weights ? n / p.depth : n < p.columns ? BIAS : NOTHING;
        offset[j] = n % p.depth * LANES + 4 * t;
    }
    float sum[2][4][4] = {}, stretch[2][4][4] = {};
    const int begin = (int)((u64)p.items * part / p.parts), end = (int)((u64)p.items * (part + 1) / p.parts);
    for (int item = begin; item < end; item++) {
        const int block = item / p.pixels, pixel = item % p.pixels;
        const float *x = p.x + block * p.x_block;
        constexpr u32 NOWHERE = ~0u;
        u32 at[4];
        bool needed = false;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int source = tap[j] < 0 ? -1 : p.sources[pixel * p.slots + tap[j]];
            at[j] = source < 0 ? NOWHERE : (u32)(source * p.depth) * LANES + offset[j];
            needed |= source >= 0 || tap[j] == BIAS;
        }
        if (!__any_sync(~0u, needed)) continue;
        const float *dy = p.dy + block * p.y_block + ((u64)pixel * p.rows + first_row) * LANES + 4 * t;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float4 a[2][2], b[4];
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const int row = 16 * i + 8 * half + g;
                    a[i][half] = first_row + row < p.rows ? *(const float4 *)(dy + row * LANES + 16 * h)
                                                          : make_float4(0.f, 0.f, 0.f, 0.f);
                }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const float other = tap[j] == BIAS ? 1.f : 0.f;
                b[j] = at[j] != NOWHERE ? *(const float4 *)(x + at[j] + 16 * h) : make_float4(other, other, other, other);
            }
            const float a_front[2][4] = {{a[0][0].x, a[0][1].x, a[0][0].y, a[0][1].y}, {a[1][0].x, a[1][1].x, a[1][0].y, a[1][1].y}};
            const float b_front[4][2] = {{b[0].x, b[0].y}, {b[1].x, b[1].y}, {b[2].x, b[2].y}, {b[3].x, b[3].y}};
            multiply_all<2, EXACT>(stretch, a_front, b_front);
            const float a_back[2][4] = {{a[0][0].z, a[0][1].z, a[0][0].w, a[0][1].w}, {a[1][0].z, a[1][1].z, a[1][0].w, a[1][1].w}};
            const float b_back[4][2] = {{b[0].z, b[0].w}, {b[1].z, b[1].w}, {b[2].z, b[2].w}, {b[3].z, b[3].w}};
            multiply_all<2, EXACT>(stretch, a_back, b_back);
        }
        if (EXACT) add_stretch<2>(sum, stretch);
    }
    if (!EXACT) add_stretch<2>(sum, stretch);
    float *partial = p.partial + (u64)part * p.rows * p.columns;
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                const int row = first_row + 16 * i + 8 * (c / 2) + g, column = first_column + 8 * j + 2 * t + c % 2;
                if (row >= p.rows || column >= p.columns) continue;
                if (p.parts > 1)
                    partial[(u64)row * p.columns + column] = sum[i][j][c];
                else
                    put_weight(p, row, column, sum[i][j][c]);
            }
}

#define WEIGHTS(ROWS, COLUMNS) \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) weight_gradient_##ROWS##_##COLUMNS(Weights p) { \
        weight_gradient<ROWS, COLUMNS, true>(p); \
    } \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) weight_gradient_##ROWS##_##COLUMNS##_TF32(Weights p) { \
        weight_gradient<ROWS, COLUMNS, false>(p); \
    }
WEIGHTS(1, 1)
WEIGHTS(2, 1)
WEIGHTS(1, 8)
WEIGHTS(2, 4)

// Adds the parts of 32 weights up: every warp some of them, and then what the warps have, in their order.
extern "C" __global__ void __launch_bounds__(THREADS) weight_sums(Weights p) {
    __shared__ float of_warp[WARPS][32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int at = blockIdx.x * 32 + lane, all = p.rows * p.columns;
    float sum = 0.f;
    if (at < all) {
#pragma unroll 8
        for (int part = warp; part < p.parts; part += WARPS) sum += p.partial[(u64)part * all + at];
    }
    of_warp[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || at >= all) return;
    for (int other = 1; other < WARPS; other++) sum += of_warp[other][lane];
    put_weight(p, at / p.columns, at % p.columns, sum);
}
