// Softmax of attention scores (B, heads, S, T) in place, with masks and dropout.
//
//     p = softmax(s, hidden: -inf, + added),   used = p kept
//     ds = p (d - sum_j d_j p_j),   d = dused kept
//
// One warp a row of T: no barrier, no shared memory. A row is short and stays in the first-level cache, so it is read
// three times and written once. A row that sees nothing gives zeros, and has a zero gradient.

__device__ const float LOWEST = -3.402823466e38f;

// The score of key j with its masks; `seen` keys are those that this query may see.
__device__ __forceinline__ float masked(float s, const unsigned char* hidden, const float* added, long long at, int j,
                                        int seen) {
  if (added) s += added[at];
  return j >= seen || hidden && hidden[at] ? logf(0.f) : s;
}

// Masks stretch by strides (elements, 0 where an axis is stretched): to example, head, query and key.
// first: query i sees the keys 0 ... first + i; T or more where nothing is hidden so.
extern "C" __global__ void masked_softmax_forward(float* p, const unsigned char* hidden /*?*/,
                                                  const float* added /*?*/, const float* kept /*?*/,
                                                  float* used /*?*/, int rows, int heads, int S, int T, int by_example,
                                                  int by_head, int by_query, int by_key, int first) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= rows) return;
  int i = row % S, seen = min(T, first + i + 1);
  long long mask = (long long)(row / S / heads) * by_example + (long long)(row / S % heads) * by_head
                   + (long long)i * by_query;
  float* s = p + (size_t)row * T;
  float m = LOWEST, sum = 0.f;
  for (int j = lane; j < T; j += 32)
    m = fmaxf(m, masked(s[j], hidden, added, mask + (long long)j * by_key, j, seen));
  m = warp_max(m);
  if (m > -LOWEST) m = 0.f;                                                    // inf minus inf is NaN
  for (int j = lane; j < T; j += 32)
    sum += expf(masked(s[j], hidden, added, mask + (long long)j * by_key, j, seen) - m);
  sum = warp_sum(sum);
  float share = sum == 0.f ? 0.f : 1.f / sum;
  for (int j = lane; j < T; j += 32) {
    float e = expf(masked(s[j], hidden, added, mask + (long long)j * by_key, j, seen) - m) * share;
    s[j] = e;
    if (used) used[(size_t)row * T + j] = e * kept[(size_t)row * T + j];
  }
}

// d: the gradient of p, or of p kept, becomes that of the scores.
extern "C" __global__ void masked_softmax_backward(const float* p, const float* kept /*?*/, float* d, int rows, int T) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= rows) return;
  size_t start = (size_t)row * T;
  float slope = 0.f;
  for (int j = lane; j < T; j += 32) slope += p[start + j] * (kept ? d[start + j] * kept[start + j] : d[start + j]);
  slope = warp_sum(slope);
  for (int j = lane; j < T; j += 32) {
    float dp = kept ? d[start + j] * kept[start + j] : d[start + j];
    d[start + j] = p[start + j] * (dp - slope);
  }
}
