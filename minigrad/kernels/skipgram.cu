// Skip-gram with negative sampling: a warp a pair, and the gradients of both tables in a fixed order.
//
//   J = mean_i [ softplus(-u_o . e_c) + weight sum_k softplus(u_k . e_c) ]     of pairs i = (c, o), M noise words k
//   coef = dJ / d(u . e),   de_c = sum_j coef_j u_j,   dU[v] = sum over the occurrences of v of coef e_c
//
// A table's gradient is a sum over the occurrences of each id. There are n = B (M + 1) of ids of U and B of ids of E;
// both lists are brought together at once, as keys v and V + c, and added up by sort.cu. No row of U's gradient is ever
// written but its last sum: an occurrence is read as its coefficient and the row e_c.

// rows (N, D): the table E with centre (B), or without it h (B, D) itself.  u (V, D), word (B), noise (B, M).
// -> loss (B), coef (B, M + 1), dh (B, D), keys: B (M + 1) of U, and with centre B more of E. An id out of range counts
// as 0 and makes its pair's loss NaN: to look at ids on the host would wait for the device.
extern "C" __global__ void skipgram_pairs(const float* __restrict__ rows, const float* __restrict__ u,
                                          const long long* __restrict__ centre /*?*/,
                                          const long long* __restrict__ word, const long long* __restrict__ noise,
                                          float* __restrict__ loss, float* __restrict__ coef, float* __restrict__ dh,
                                          int* __restrict__ keys, int B, int M, int D, int N, int V, float weight) {
  const int lane = threadIdx.x & 31, i = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
  if (i >= B) return;
  const float nan = __uint_as_float(0x7fc00000u);
  const long long c = centre ? centre[i] : i;
  const bool outside = c < 0 || c >= N;
  const float* e = rows + (size_t)(outside ? 0 : c) * D;
  float* de = dh + (size_t)i * D;
  float total = 0.f;
  for (int j0 = 0; j0 <= M; j0 += 32) {      // a lane has one of up to 32 words: its id, score and coefficient
    const int j = j0 + lane, n = min(32, M + 1 - j0);
    const bool mine = lane < n;
    long long id = 0;
    if (mine) id = j ? noise[(size_t)i * M + j - 1] : word[i];
    const bool wrong = id < 0 || id >= V;
    const int row = wrong ? 0 : (int)id;
    float score = 0.f;
    for (int l = 0; l < n; ++l) {
      const float* x = u + (size_t)__shfl_sync(~0u, row, l) * D;
      float sum = 0.f;
      #pragma unroll 4
      for (int d = lane; d < D; d += 32) sum += e[d] * x[d];
      sum = warp_sum(sum);
      if (lane == l) score = sum;
    }
    if (wrong || outside) score = nan;
    const float s = j ? score : -score, share = j ? weight : 1.f, slope = share * sigmoid(s);
    const float coefficient = j ? slope : -slope;
    if (mine) {
      total += share * (fmaxf(s, 0.f) + log1pf(expf(-fabsf(s))));
      coef[(size_t)i * (M + 1) + j] = coefficient;
      keys[(size_t)i * (M + 1) + j] = row;
    }
    for (int d0 = 0; d0 < D; d0 += 32) {
      const int d = d0 + lane;
      float sum = j0 && d < D ? de[d] : 0.f;
      for (int l = 0; l < n; ++l) {
        const float factor = __shfl_sync(~0u, coefficient, l);
        const int from = __shfl_sync(~0u, row, l);
        if (d < D) sum += factor * u[(size_t)from * D + d];
      }
      if (d < D) de[d] = sum;
    }
  }
  total = warp_sum(total);
  if (lane == 0) {
    loss[i] = total;
    if (centre) keys[(size_t)B * (M + 1) + i] = V + (outside ? 0 : (int)c);
  }
}

// out = scale sum_i x_i, n of them.  One block.  Shared: 32 floats.
extern "C" __global__ void skipgram_total(const float* __restrict__ x, float* __restrict__ out, int n, float scale) {
  SMEM(memory);
  float sum = 0.f;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  sum = block_sum(sum, (float*)memory);
  if (threadIdx.x == 0) out[0] = scale * sum;
}
