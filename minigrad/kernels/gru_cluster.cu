// A GRU over a whole sequence in one launch: W_hh is read once, and stays in the registers of a cluster of blocks.
//
//   (r, z) = sigmoid(x_t W_i^T + b_i + h W_h^T + b_h),  q = h W_hn^T + b_hn,  n = tanh(x_t W_in^T + b_in + r q)
//   h' = n + z (h - n)
//
// Examples are independent of each other, so no two clusters ever wait for each other. A cluster walks over ROWS
// examples; each of its H / 32 blocks owns 32 units. Forward, every block has all of h: a warp multiplies its part of h
// by the weights of the block's units, the warps' sums are added, and the new h goes to all blocks. Backward, a block
// multiplies the gradients of its own units by their weights, and sends each block the sums for that block's units.
// One barrier of the cluster a step is enough, since what is exchanged has two places, used in turn.
//
// Steps are stored in the order of time. reverse: the walk starts at the last one. Of hs, T + 1 states, the first that
// the walk sees is h0: at 0, or under reverse at T; so the state before step t stands at t, or under reverse at t + 1.
// Four lanes work on a unit of an example: on r, z, q, n, the order of the saved gates (B, 4H). Rows of weights, and
// columns of products and gradients, have PyTorch's order r, z, n (3H).
//
// macros: H=32 64 128 256 512
// arch: 90
#define U 32                              // units of a block
#define CL (H / U)                        // blocks of a cluster
#define ROWS 4                            // examples of a cluster: one float4
#define THREADS 512
#define NW (H < 64 ? H / 4 : 16)          // forward: warps that share the inner sum
#define KPW (H / NW)                      //   and the part of h that each has
#define KR (KPW < 20 ? KPW : 20)          //   and how much of it has its weights in registers; else in shared memory
#define KL (H / 4)                        // backward: threads side by side, each for four columns of W_hh
#define NG (H < 64 ? 32 : 2048 / H)       //   and groups of them, which share the block's rows
#define RPG (3 * U / NG)                  //   and the rows that each has
#define RR (RPG < 15 ? RPG : 15)          //   and how many of them have their weights in registers

// xg (T, B, 3H) = x W_ih^T, w_hh (3H, H), b_ih, b_hh (3H), h0 (B, H) or null for zeros, alive (T, B) or null for all.
// -> gates (T, B, 4H), hs (T + 1, B, H), y (T, B, H), null where it would be hs without h0, last (B, H)
extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
gru_forward(const float* __restrict__ xg, const float* __restrict__ w_hh, const float* __restrict__ b_ih /*?*/,
            const float* __restrict__ b_hh /*?*/, const float* __restrict__ h0 /*?*/,
            const unsigned char* __restrict__ alive /*?*/, float* __restrict__ gates, float* __restrict__ hs,
            float* __restrict__ y /*?*/, float* __restrict__ last, int T, int B, int reverse) {
  SMEM(memory);
  float4* state = memory;                          // [2][H]  h of the step before
  float* sums = (float*)(state + 2 * H);           // [NW][ROWS][3U]
  float* mine = sums + NW * ROWS * 3 * U;          // [U][ROWS]  the new h of this block's units
  float* rest = mine + U * ROWS;                   // [KPW - KR][3][THREADS]  weights
  const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5, first = blockIdx.x / CL * ROWS, unit0 = cl_rank() * U;

  float w[KR][3];                                  // of unit0 + lane, for this warp's part of h
  if (warp < NW) {
    const bool aligned = ((size_t)w_hh & 15) == 0;
    #pragma unroll
    for (int k = 0; k < KPW; k += 4) {
      #pragma unroll
      for (int g = 0; g < 3; ++g) {
        float v[4];
        take4(v, w_hh + (size_t)(g * H + unit0 + lane) * H + warp * KPW + k, aligned);
        #pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (k + i < KR) w[k + i][g] = v[i];
          else rest[((k + i - KR) * 3 + g) * THREADS + tid] = v[i];
        }
      }
    }
  }
  for (int i = tid; i < ROWS * H; i += THREADS) {
    const int b = first + i % ROWS;
    ((float*)state)[i] = h0 && b < B ? h0[(size_t)b * H + i / ROWS] : 0.f;
  }

  const int row = tid >> 7, u = (tid >> 2) & 31, q = tid & 3, b = first + row, j = unit0 + u, g = q == 3 ? 2 : q;
  const bool real = b < B;
  float bias = 0.f, h = 0.f;
  if (b_ih && q != 2) bias += b_ih[g * H + j];
  if (b_hh && q != 3) bias += b_hh[g * H + j];
  if (real) {
    if (h0) h = h0[(size_t)b * H + j];
    if (q == 0) hs[((size_t)(reverse ? T : 0) * B + b) * H + j] = h;
  }
  cl_sync();
  for (int s = 0; s < T; ++s) {
    const int t = reverse ? T - 1 - s : s;
    const size_t at = (size_t)t * B + b;
    float xt = 0.f, a = bias;                      // apart: the compiler would add, and wait for xt, at once
    int live = real;
    if (real) {                                    // asked for now, needed after the product
      if (q != 2) xt = xg[(at * 3 + g) * H + j];
      if (alive) live = alive[at];
    }
    if (warp < NW) {
      const float4* part = state + (s & 1) * H + warp * KPW;
      float sum[ROWS][3] = {};
      #pragma unroll
      for (int k = 0; k < KR; ++k) {
        const float4 v = part[k];
        #pragma unroll
        for (int i = 0; i < 3; ++i) {
          sum[0][i] += v.x * w[k][i];
          sum[1][i] += v.y * w[k][i];
          sum[2][i] += v.z * w[k][i];
          sum[3][i] += v.w * w[k][i];
        }
      }
      #pragma unroll 4
      for (int k = KR; k < KPW; ++k) {
        const float4 v = part[k];
        #pragma unroll
        for (int i = 0; i < 3; ++i) {
          const float wk = rest[((k - KR) * 3 + i) * THREADS + tid];
          sum[0][i] += v.x * wk;
          sum[1][i] += v.y * wk;
          sum[2][i] += v.z * wk;
          sum[3][i] += v.w * wk;
        }
      }
      #pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        #pragma unroll
        for (int i = 0; i < 3; ++i) sums[(warp * ROWS + r) * 3 * U + lane * 3 + i] = sum[r][i];
      }
    }
    __syncthreads();
    if (q < 3) {
      #pragma unroll
      for (int n = 0; n < NW; ++n) a += sums[(n * ROWS + row) * 3 * U + u * 3 + q];
    }
    a += xt;
    const bool on = live;
    const float v = q < 2 ? sigmoid(a) : a;
    const float r = __shfl_sync(~0u, v, lane & ~3), z = __shfl_sync(~0u, v, (lane & ~3) | 1);
    const float hn = __shfl_sync(~0u, v, (lane & ~3) | 2), xn = __shfl_sync(~0u, v, lane | 3);
    const float n = tanhf(xn + r * hn);
    if (on) h = n + z * (h - n);
    if (s < T - 1) {
      if (q == 0) mine[u * ROWS + row] = h;
      __syncthreads();
      if (tid < CL * U) cl_store4(state + ((s + 1) & 1) * H + unit0 + lane, warp, ((float4*)mine)[lane]);
      cl_sync();
    }
    if (real) {                                    // after the barrier, which would wait until these have arrived
      gates[(at * 4 + q) * H + j] = q == 3 ? n : v;
      if (q == 0) hs[((size_t)(reverse ? t : t + 1) * B + b) * H + j] = h;
      if (q == 1 && y) y[at * H + j] = on ? h : 0.f;
    }
  }
  if (real && q == 0) last[(size_t)b * H + j] = h;
}

// dy (T, B, H), dlast (B, H), each null where nothing used it; gates, hs, w_hh, alive of the forward pass.
// -> d_ih (T, B, 3H) before r, z, n; d_hh (T, B, 3H) before r, z, and of q; dh0 (B, H), or null where there was no h0;
//    db (clusters, 6H), their sums over the steps and examples of a cluster, d_ih's before d_hh's, or null
extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
gru_backward(const float* __restrict__ dy /*?*/, const float* __restrict__ dlast /*?*/,
             const float* __restrict__ gates, const float* __restrict__ hs, const float* __restrict__ w_hh,
             const unsigned char* __restrict__ alive /*?*/, float* __restrict__ d_ih, float* __restrict__ d_hh,
             float* __restrict__ dh0 /*?*/, float* __restrict__ db /*?*/, int T, int B, int reverse) {
  SMEM(memory);
  float4* got = memory;                            // [2][CL][U]  what each block sent, for the step before
  float4* mine = got + 2 * CL * U;                 // [4U]  of this block's units: gradients of r, z, q, n
  float4* sums = mine + 4 * U;                     // [NG][H]
  float4* rest = sums + NG * H;                    // [RPG - RR][THREADS]  weights
  const int tid = threadIdx.x, lane = tid & 31, rank = cl_rank(), first = blockIdx.x / CL * ROWS, unit0 = rank * U;
  const int col = tid % KL, group = tid / KL;      // columns col, col + KL, ... of W_hh, and rows: unit by unit r, z, n

  float w[RR][4];
  if (group < NG) {
    #pragma unroll
    for (int n = 0; n < RPG; ++n) {
      const float* p = w_hh + (size_t)(n % 3 * H + unit0 + group * (RPG / 3) + n / 3) * H + col;
      if (n < RR) w[n][0] = p[0], w[n][1] = p[KL], w[n][2] = p[2 * KL], w[n][3] = p[3 * KL];
      else rest[(n - RR) * THREADS + tid] = make_float4(p[0], p[KL], p[2 * KL], p[3 * KL]);
    }
  }
  for (int i = tid; i < CL * U * ROWS; i += THREADS) {             // dlast, as if block 0 had sent it, and the others 0
    const int b = first + i % ROWS, k = i / ROWS;
    ((float*)(got + ((T - 1) & 1) * CL * U))[i] = dlast && k < U && b < B ? dlast[(size_t)b * H + unit0 + k] : 0.f;
  }

  const int row = tid >> 7, u = (tid >> 2) & 31, q = tid & 3, b = first + row, j = unit0 + u;
  const bool real = b < B;
  float dh = 0.f, bias = 0.f;
  float v = 0.f, before = 0.f, dy_t = 0.f;         // of the step at hand, read one step ahead: a gate, h_{t-1}, dy_t
  bool on = false;
  const auto read = [&](int s) {
    const int t = reverse ? T - 1 - s : s;
    const size_t at = (size_t)t * B + b;
    on = real && (!alive || alive[at]);
    if (on) {
      v = gates[(at * 4 + q) * H + j];
      before = hs[((size_t)(reverse ? t + 1 : t) * B + b) * H + j];
      if (dy) dy_t = dy[at * H + j];
    }
  };
  read(T - 1);
  cl_sync();
  for (int s = T - 1; s >= 0; --s) {
    #pragma unroll
    for (int n = 0; n < CL; ++n) dh += ((float*)(got + ((s & 1) * CL + n) * U + u))[row];
    const float r = __shfl_sync(~0u, v, lane & ~3), z = __shfl_sync(~0u, v, (lane & ~3) | 1);
    const float hn = __shfl_sync(~0u, v, (lane & ~3) | 2), n = __shfl_sync(~0u, v, lane | 3);
    float d = 0.f;
    if (on) {                                      // else the gradient of the state passes by
      dh += dy_t;
      const float dn = dh * (1.f - z) * (1.f - n * n);
      d = q == 0 ? dn * hn * r * (1.f - r) : q == 1 ? dh * (before - n) * z * (1.f - z) : q == 2 ? dn * r : dn;
      dh *= z;
      bias += d;
    }
    if (s > 0) read(s - 1);
    ((float*)(mine + u * 4 + q))[row] = d;
    __syncthreads();
    if (group < NG) {
      const float4* part = mine + group * (RPG / 3) * 4;
      float4 sum[4] = {};
      #pragma unroll
      for (int n = 0; n < RR; ++n) add_products(sum, part[n / 3 * 4 + n % 3], w[n]);
      #pragma unroll
      for (int n = RR; n < RPG; ++n) {
        const float4 p = rest[(n - RR) * THREADS + tid];
        add_products(sum, part[n / 3 * 4 + n % 3], {p.x, p.y, p.z, p.w});
      }
      #pragma unroll
      for (int i = 0; i < 4; ++i) sums[group * H + i * KL + col] = sum[i];
    }
    __syncthreads();
    if (tid < H)                                   // to the block that owns unit tid
      cl_store4(got + (((s + 1) & 1) * CL + rank) * U + lane, tid / U, add_parts<NG>(sums + tid, H));
    cl_sync();
    if (real) {                                    // after the barrier, which would wait until these have arrived
      const size_t at = ((size_t)(reverse ? T - 1 - s : s) * B + b) * 3 * H + j;
      if (q != 2) d_ih[at + (q == 3 ? 2 : q) * H] = d;
      if (q != 3) d_hh[at + q * H] = d;
    }
  }
  if (dh0 && real && q == 0) {
    #pragma unroll
    for (int n = 0; n < CL; ++n) dh += ((float*)(got + (CL + n) * U + u))[row];
    dh0[(size_t)b * H + j] = dh;
  }
  ((float*)(mine + u * 4 + q))[row] = bias;
  __syncthreads();
  if (db && tid < 4 * U) {
    const float4 four = mine[tid];
    const float sum = four.x + four.y + four.z + four.w;
    float* to = db + (size_t)(blockIdx.x / CL) * 6 * H + unit0 + tid / 4;
    if (q != 2) to[(q == 3 ? 2 : q) * H] = sum;
    if (q != 3) to[(3 + q) * H] = sum;
  }
}
