// What all kernels share. Maps lie in lanes, as on the CPU: [block][pixel][channel][32 images].

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr int LANES = 32;
constexpr int WARPS = 8;
constexpr int THREADS = WARPS * 32;
constexpr float LEAK = 0.01f;

enum Activation { NONE, RELU, LEAKY_RELU, TANH, SIGMOID, GELU, SILU };
enum RuleKind { SGD, RMSPROP, ADAM };

// What the host writes before every step; the numbers of the images and their labels follow it.
struct Head {
    // The images as rows, which `picks` counts.
    const float *rows;
    u64 seed, step;
    double clip;
    u32 count, rule, nesterov, rated;
    float learning_rate, l2, decay, momentum, beta1, rest1, beta2, rest2, step_size, correction2, epsilon;
    float average_decay, average_rest;
    // Whether the loss goes by targets rather than labels.
    u32 soft;
};

// What the host reads after it.
struct Result {
    double loss, norm;
    u32 correct, finite;
    float clip;
    u32 padding;
};

// An activation whose slope at its result y multiplies a gradient.
struct Gate {
    const float *y;
    u64 activation;
};

__device__ __forceinline__ float activate(int kind, float x) {
    switch (kind) {
    case RELU: return x < 0.f ? 0.f : x;
    case LEAKY_RELU: return x < 0.f ? LEAK * x : x;
    case TANH: return tanhf(x);
    case SIGMOID: return 1.f / (1.f + expf(-x));
    case GELU: return x * normcdff(x);
    case SILU: return x / (1.f + expf(-x));
    default: return x;
    }
}

// dy · f′, from the result.
__device__ __forceinline__ float gated(int kind, float y, float dy) {
    switch (kind) {
    case RELU: return y > 0.f ? dy : 0.f;
    case LEAKY_RELU: return y > 0.f ? dy : LEAK * dy;
    case TANH: return dy * fmaf(-y, y, 1.f);
    case SIGMOID: return dy * y * (1.f - y);
    default: return dy;
    }
}

__device__ __forceinline__ float through(const Gate &gate, u64 at, float dy) {
    return gate.activation == NONE ? dy : gated(gate.activation, gate.y[at], dy);
}

// Whether this is the last of `parts` blocks of threads to arrive at a counter, which is then as new.
// What the others wrote before is visible after.
__device__ __forceinline__ bool last_to_arrive(u32 *counter, u32 parts) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(counter, 1) == parts - 1;
        if (last) *counter = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

// The sums of two numbers over all threads of a block, in a fixed order; thread 0 has them.
__device__ __forceinline__ double2 block_sum(double a, double b) {
    __shared__ double2 of_warp[32];
    for (int apart = 16; apart > 0; apart /= 2) {
        a += __shfl_down_sync(~0u, a, apart);
        b += __shfl_down_sync(~0u, b, apart);
    }
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = make_double2(a, b);
    __syncthreads();
    double2 sum = make_double2(0., 0.);
    if (threadIdx.x == 0)
        for (int warp = 0; warp < blockDim.x / 32; warp++) {
            sum.x += of_warp[warp].x;
            sum.y += of_warp[warp].y;
        }
    __syncthreads();
    return sum;
}
