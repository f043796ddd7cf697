// Bahdanau's decoder, the parts of a step that are no matrix product. S places; a block has one row b of the batch.
//
//   e_t = v . tanh(q + k_t),  alpha = softmax_t e,  c = sum_t alpha_t a_t        q = W_s s, by the product before
//   s'  = (1 - z) n + z s,    r, z = sigmoid(..),   n = tanh(.. + r (W_hn s + b_hn))
//
// "product" (B, 3 H + A) is s times W_hh above W_s: the gates' part, then q. "yc" (B, E + C) is the cell's input.
// tanh(q + k) is computed again in backward: to keep it, 4 T B S A bytes, would cost more time than to compute it.
// Every sum has one order, so two runs give the same bits.

constexpr int PART = 512;                   // how much of q and v is in shared memory at once: twice that >= a block
constexpr int PLACES = 8;                   // places whose keys a thread of bahdanau_keys holds in registers

// For each column j < n the sum over s < S of term(s, j), given to put(j, sum). A thread has a column; if there are at
// least twice as many threads as columns, groups of threads share the places.  part: a block's worth of floats.
template <class Term, class Put>
__device__ __forceinline__ void columns(int n, int S, float* part, Term term, Put put) {
  const int tid = threadIdx.x, width = n < (int)blockDim.x ? n : blockDim.x, groups = blockDim.x / width;
  const int group = tid / width;
  if (group < groups)
    for (int j = tid % width; j < n; j += width) {
      float sum = 0.f;
      #pragma unroll 4
      for (int s = group; s < S; s += groups) sum += term(s, j);
      if (groups == 1) put(j, sum);
      else part[tid] = sum;
    }
  if (groups > 1) {
    __syncthreads();
    if (tid < n) {
      float sum = part[tid];
      for (int g = 1; g < groups; ++g) sum += part[g * width + tid];
      put(tid, sum);
    }
  }
}

// keys (B, S, A), annotations (B, S, C), v (A), hidden (B, S) -> alpha (B, S), c into the last C columns of yc.
// Shared: S + 2 PART + 64 floats. A row of which everything is hidden gets zeros.
extern "C" __global__ void __launch_bounds__(1024)
bahdanau_attend(const float* __restrict__ keys, const float* __restrict__ annotations,
                const float* __restrict__ product, const float* __restrict__ v,
                const unsigned char* __restrict__ hidden /*?*/, float* __restrict__ alpha, float* __restrict__ yc,
                int S, int A, int C, int E, int H) {
  SMEM(memory);
  float* e = (float*)memory;
  float* q = e + S;
  float* w = q + PART;
  float* red = w + PART;
  const int b = blockIdx.x, tid = threadIdx.x, lane = tid & 31, warp = tid >> 5, threads = blockDim.x;
  const float infinity = __uint_as_float(0x7f800000u);
  const float* k = keys + (size_t)b * S * A;
  const float* query = product + (size_t)b * (3 * H + A) + 3 * H;
  for (int a0 = 0; a0 < A; a0 += PART) {
    const int n = min(PART, A - a0);
    if (a0) __syncthreads();
    for (int a = tid; a < n; a += threads) {
      q[a] = query[a0 + a];
      w[a] = v[a0 + a];
    }
    __syncthreads();
    for (int s = warp; s < S; s += threads >> 5) {
      const float* row = k + (size_t)s * A + a0;
      float sum = 0.f;
      #pragma unroll 4
      for (int a = lane; a < n; a += 32) sum += w[a] * tanhf(q[a] + row[a]);
      sum = warp_sum(sum);
      if (lane == 0) e[s] = a0 ? e[s] + sum : sum;
    }
  }
  __syncthreads();
  float most = -infinity;
  for (int s = tid; s < S; s += threads) {
    if (hidden && hidden[(size_t)b * S + s]) e[s] = -infinity;
    most = fmaxf(most, e[s]);
  }
  most = block_max(most, red);
  float sum = 0.f;
  for (int s = tid; s < S; s += threads) {
    e[s] = e[s] == -infinity ? 0.f : expf(e[s] - most);
    sum += e[s];
  }
  sum = block_sum(sum, red + 32);
  const float scale = sum == 0.f ? 0.f : 1.f / sum;
  for (int s = tid; s < S; s += threads) alpha[(size_t)b * S + s] = e[s] *= scale;
  __syncthreads();
  const float* places = annotations + (size_t)b * S * C;
  float* c = yc + (size_t)b * (E + C) + E;
  columns(C, S, q, [&](int s, int j) { return e[s] * places[(size_t)s * C + j]; },
          [&](int j, float sum) { c[j] = sum; });
}

// The GRU's pointwise part. gates (B, 3 H): in W_ih [y; c], out r, z, n.  product: its third H becomes W_hn s + b_hn.
// h (B, H) -> next (B, H).
extern "C" __global__ void bahdanau_cell(float* __restrict__ gates, float* __restrict__ product,
                                         const float* __restrict__ b_ih /*?*/, const float* __restrict__ b_hh /*?*/,
                                         const float* __restrict__ h, float* __restrict__ next, int B, int A, int H) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  const int b = i / H, u = i % H;
  if (b >= B) return;
  float* g = gates + (size_t)b * 3 * H + u;
  float* p = product + (size_t)b * (3 * H + A) + u;
  float x[3], y[3];
  #pragma unroll
  for (int j = 0; j < 3; ++j) {
    x[j] = g[j * H] + (b_ih ? b_ih[j * H + u] : 0.f);
    y[j] = p[j * H] + (b_hh ? b_hh[j * H + u] : 0.f);
  }
  const float r = sigmoid(x[0] + y[0]), z = sigmoid(x[1] + y[1]), n = tanhf(x[2] + r * y[2]);
  g[0] = r;
  g[H] = z;
  g[2 * H] = n;
  p[2 * H] = y[2];
  next[i] = (1.f - z) * n + z * h[i];
}

// Of what bahdanau_cell left, and the gradient of the new state: dh, plus dstates if given.
// dgates (B, 3 H): before r, z, n.  drec (B, 3 H + A): before r, z, and of W_hn s.  dh becomes z dh: what passes by.
extern "C" __global__ void bahdanau_cell_back(const float* __restrict__ gates, const float* __restrict__ product,
                                              const float* __restrict__ h, const float* __restrict__ dstates /*?*/,
                                              float* __restrict__ dh, float* __restrict__ dgates,
                                              float* __restrict__ drec, int B, int A, int H) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  const int b = i / H, u = i % H;
  if (b >= B) return;
  const size_t at = (size_t)b * 3 * H + u, along = (size_t)b * (3 * H + A) + u;
  const float r = gates[at], z = gates[at + H], n = gates[at + 2 * H], q = product[along + 2 * H];
  const float g = dstates ? dh[i] + dstates[i] : dh[i];
  const float dn = g * (1.f - z) * (1.f - n * n), dz = g * (h[i] - n) * z * (1.f - z), dr = dn * q * r * (1.f - r);
  dgates[at] = drec[along] = dr;
  dgates[at + H] = drec[along + H] = dz;
  dgates[at + 2 * H] = dn;
  drec[along + 2 * H] = dn * r;
  dh[i] = g * z;
}

// dc (B, C), the gradient of c, and dalignments (B, S), that of alpha from elsewhere -> ds (B, S), that of the scores,
// and dq into the last A columns of drec:
//   dalpha_t = dc . a_t + dalignments_t,  ds = alpha (dalpha - sum alpha dalpha),  dq = v sum_t ds_t (1 - tanh^2)
// Shared: S + 2 PART + 32 floats.
extern "C" __global__ void __launch_bounds__(1024)
bahdanau_attend_back(const float* __restrict__ keys, const float* __restrict__ annotations,
                     const float* __restrict__ product, const float* __restrict__ v, const float* __restrict__ alpha,
                     const float* __restrict__ dc, const float* __restrict__ dalignments /*?*/, float* __restrict__ ds,
                     float* __restrict__ drec, int S, int A, int C, int H) {
  SMEM(memory);
  float* d = (float*)memory;
  float* x = d + S;
  float* red = x + 2 * PART;
  const int b = blockIdx.x, tid = threadIdx.x, lane = tid & 31, warp = tid >> 5, threads = blockDim.x;
  const float* places = annotations + (size_t)b * S * C;
  for (int c0 = 0; c0 < C; c0 += 2 * PART) {
    const int n = min(2 * PART, C - c0);
    if (c0) __syncthreads();
    for (int j = tid; j < n; j += threads) x[j] = dc[(size_t)b * C + c0 + j];
    __syncthreads();
    for (int s = warp; s < S; s += threads >> 5) {
      const float* row = places + (size_t)s * C + c0;
      float sum = 0.f;
      #pragma unroll 4
      for (int j = lane; j < n; j += 32) sum += x[j] * row[j];
      sum = warp_sum(sum);
      if (lane == 0) d[s] = c0 ? d[s] + sum : sum;
    }
  }
  __syncthreads();
  const float* weight = alpha + (size_t)b * S;
  float mean = 0.f;
  for (int s = tid; s < S; s += threads) {
    if (dalignments) d[s] += dalignments[(size_t)b * S + s];
    mean += weight[s] * d[s];
  }
  mean = block_sum(mean, red);
  for (int s = tid; s < S; s += threads) ds[(size_t)b * S + s] = d[s] = weight[s] * (d[s] - mean);
  __syncthreads();
  const float* k = keys + (size_t)b * S * A;
  const float* query = product + (size_t)b * (3 * H + A) + 3 * H;
  float* dq = drec + (size_t)b * (3 * H + A) + 3 * H;
  columns(A, S, x, [&](int s, int a) {
    const float t = tanhf(query[a] + k[(size_t)s * A + a]);
    return d[s] * (1.f - t * t);
  }, [&](int a, float sum) { dq[a] = v[a] * sum; });
}

// After all T steps: dkeys (B, S, A) = v sum_tau ds (1 - tanh^2), and dv (B ceil(S / PLACES), A) = sum ds tanh, a row
// for each block, which the caller adds up.  product (T, B, 3 H + A), ds (T, B, S).  One block: PLACES places of b.
extern "C" __global__ void __launch_bounds__(256)
bahdanau_keys(const float* __restrict__ keys, const float* __restrict__ product, const float* __restrict__ v,
              const float* __restrict__ ds, float* __restrict__ dkeys, float* __restrict__ dv, int T, int B, int S,
              int A, int H) {
  const int tiles = (S + PLACES - 1) / PLACES, b = blockIdx.x / tiles, s0 = blockIdx.x % tiles * PLACES;
  const int n = min(PLACES, S - s0), wide = 3 * H + A;
  for (int a = threadIdx.x; a < A; a += blockDim.x) {
    const size_t at = ((size_t)b * S + s0) * A + a;
    float k[PLACES], dk[PLACES] = {}, sum = 0.f;
    #pragma unroll
    for (int i = 0; i < PLACES; ++i) k[i] = i < n ? keys[at + (size_t)i * A] : 0.f;
    for (int t = 0; t < T; ++t) {
      const size_t row = (size_t)t * B + b;
      const float q = product[row * wide + 3 * H + a];
      #pragma unroll
      for (int i = 0; i < PLACES; ++i)
        if (i < n) {
          const float d = ds[row * S + s0 + i], e = tanhf(q + k[i]);
          dk[i] += d * (1.f - e * e);
          sum += d * e;
        }
    }
    #pragma unroll
    for (int i = 0; i < PLACES; ++i)
      if (i < n) dkeys[at + (size_t)i * A] = v[a] * dk[i];
    dv[(size_t)blockIdx.x * A + a] = sum;
  }
}
