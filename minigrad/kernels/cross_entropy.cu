// Softmax and cross-entropy of class ids (nn/fused/softmax_cross_entropy.py has the formulas).
//
//     l = s (log sum_k e^(x_k) - x_c),   dx_k = g s (p_k - [k = c]),   p = softmax x
//
// One block a row, for any V. A row keeps its maximum m and log sum e^(x - m), in two numbers: their sum would lose the
// small one beside the large one. The backward pass makes p from them: it reads x again, and nobody keeps p.

__device__ const float LARGEST = 3.402823466e38f;

// The ids as the others take them, and what each row counts.  One block, whatever N is.
//   target (N) -> place (N): 0 ... N - 1, ids (N), scale (N), nothing (1): 0, or NaN where the mean is one of no class
// weight (V): of the classes.  mean: divide by the sum of the weights.  smooth: each row counts 1, of its weight only
// the divisor knows.  An id outside of 0 ... V - 1 that is not `ignore` makes its row's share NaN: nobody waits for it.
extern "C" __global__ void cross_entropy_classes(const long long* target, const float* weight /*?*/, long long* place,
                                                 long long* ids, float* scale, float* nothing, int N, int V,
                                                 long long ignore, int mean, int smooth) {
  SMEM(memory);
  float total = 0.f;
  for (int i = threadIdx.x; i < N; i += blockDim.x) {
    long long c = target[i];
    bool counts = c != ignore, inside = c >= 0 && c < V;
    long long id = counts && inside ? c : 0;
    float share = !counts ? 0.f : weight ? weight[id] : 1.f;
    total += share;
    place[i] = i;
    ids[i] = id;
    scale[i] = !counts ? 0.f : !inside ? nanf("") : smooth ? 1.f : share;
  }
  total = block_sum(total, (float*)memory);
  if (mean && total > 0.f)
    for (int i = threadIdx.x; i < N; i += blockDim.x) scale[i] /= total;       // each thread what it wrote itself
  if (threadIdx.x == 0) nothing[0] = total > 0.f ? 0.f : nanf("");
}

// x (N, V), scale (N), ids (N) -> loss (N), top (N): m, logs (N): log sum e^(x - m).  A row with scale 0 gives 0,
// whatever stands in it; its gradient is 0 times p, so that a NaN is not hidden.  A row of -inf has softmax 0: its
// logarithm is 0 and m stays finite.
extern "C" __global__ void cross_entropy_forward(const float* x, const float* scale, const long long* ids, float* loss,
                                                 float* top, float* logs, int V) {
  SMEM(memory);
  float* red = (float*)memory;
  const float* row = x + (size_t)blockIdx.x * V;
  float m = -LARGEST, sum = 0.f;
  for (int k = threadIdx.x; k < V; k += blockDim.x) m = fmaxf(m, row[k]);
  m = block_max(m, red);
  if (m > LARGEST) m = 0.f;                                                    // inf minus inf is NaN
  for (int k = threadIdx.x; k < V; k += blockDim.x) sum += expf(row[k] - m);
  sum = block_sum(sum, red + 32);
  if (threadIdx.x) return;
  float log_sum = sum == 0.f ? 0.f : logf(sum), s = scale[blockIdx.x];
  top[blockIdx.x] = m;
  logs[blockIdx.x] = log_sum;
  loss[blockIdx.x] = s == 0.f ? 0.f : (m - row[ids[blockIdx.x]] + log_sum) * s;
}

// The gradient dx (N, V).  g (N), or one number for all rows: then stride is 0.
extern "C" __global__ void cross_entropy_backward(const float* x, const float* scale, const long long* ids,
                                                  const float* top, const float* logs, const float* g, float* dx,
                                                  int V, int stride) {
  u32 i = blockIdx.x;
  const float* row = x + (size_t)i * V;
  float* out = dx + (size_t)i * V;
  float m = top[i], log_sum = logs[i], share = g[(size_t)i * stride] * scale[i];
  int c = (int)ids[i];
  for (int k = threadIdx.x; k < V; k += blockDim.x)
    out[k] = (expf(row[k] - m - log_sum) - (k == c ? 1.f : 0.f)) * share;
}
