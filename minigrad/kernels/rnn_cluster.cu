// An Elman network over a whole sequence in one launch: W_hh is read once, and stays in the registers of a cluster.
//
//   h' = phi(x_t W_ih^T + b_ih + h W_hh^T + b_hh),  phi 0: tanh, 1: relu, 2: sigmoid
//
// The walk, the exchange and the places of hs are those of gru_cluster.cu: a cluster has ROWS examples, each of its
// blocks U units; forward all blocks get the new h, backward the sums for their units. A thread has at most 64 weights.
//
// macros: H=32 64 128 256 512
// arch: 90
#define U (H < 512 ? 32 : 64)             // units of a block; at most 8 blocks, which every chip with clusters can run
#define CL (H / U)                        // blocks of a cluster
#define ROWS 4                            // examples of a cluster: one float4
#define THREADS 512
#define CELLS (ROWS * U)                  // threads that have a unit of an example
#define NP (H < 64 ? 8 : THREADS / U)     // forward: parts of h
#define PART (H / NP)                     //   and how long each is; a thread has a unit's weights for one
#define KL (H / 4)                        // backward: threads side by side, each for four columns of W_hh
#define NG (H < 64 ? 32 : 2048 / H)       //   and groups of them, which share the block's rows
#define RPG (U / NG)                      //   and the rows that each has

// xg (T, B, H) = x W_ih^T, w_hh (H, H), b_ih, b_hh (H), h0 (B, H) or null for zeros, alive (T, B) or null for all.
// -> hs (T + 1, B, H), y (T, B, H), null where it would be hs without h0, last (B, H)
extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
rnn_forward(const float* __restrict__ xg, const float* __restrict__ w_hh, const float* __restrict__ b_ih /*?*/,
            const float* __restrict__ b_hh /*?*/, const float* __restrict__ h0 /*?*/,
            const unsigned char* __restrict__ alive /*?*/, float* __restrict__ hs, float* __restrict__ y /*?*/,
            float* __restrict__ last, int T, int B, int reverse, int phi) {
  SMEM(memory);
  float4* state = memory;                          // [2][H]  h of the step before
  float* sums = (float*)(state + 2 * H);           // [NP][ROWS][U]
  float* mine = sums + NP * CELLS;                 // [U][ROWS]  the new h of this block's units
  const int tid = threadIdx.x, first = blockIdx.x / CL * ROWS, unit0 = cl_rank() * U, u = tid % U, part = tid / U;

  float w[PART];                                   // of unit0 + u, for this thread's part of h
  if (part < NP) {
    const bool aligned = ((size_t)w_hh & 15) == 0;
    #pragma unroll
    for (int k = 0; k < PART; k += 4) take4(w + k, w_hh + (size_t)(unit0 + u) * H + part * PART + k, aligned);
  }
  for (int i = tid; i < ROWS * H; i += THREADS) {
    const int b = first + i % ROWS;
    ((float*)state)[i] = h0 && b < B ? h0[(size_t)b * H + i / ROWS] : 0.f;
  }

  const int row = tid / U, b = first + row, j = unit0 + u;
  const bool cell = tid < CELLS, real = cell && b < B;
  float bias = 0.f, h = 0.f;
  if (b_ih) bias += b_ih[j];
  if (b_hh) bias += b_hh[j];
  if (real) {
    if (h0) h = h0[(size_t)b * H + j];
    hs[((size_t)(reverse ? T : 0) * B + b) * H + j] = h;
  }
  cl_sync();
  for (int s = 0; s < T; ++s) {
    const int t = reverse ? T - 1 - s : s;
    const size_t at = (size_t)t * B + b;
    float xt = 0.f, a = bias;                      // apart: the compiler would add, and wait for xt, at once
    int live = real;
    if (real) {                                    // asked for now, needed after the product
      xt = xg[at * H + j];
      if (alive) live = alive[at];
    }
    if (part < NP) {
      const float4* from = state + (s & 1) * H + part * PART;
      float4 sum = {};
      #pragma unroll
      for (int k = 0; k < PART; ++k) {
        const float4 v = from[k];
        sum.x += v.x * w[k];
        sum.y += v.y * w[k];
        sum.z += v.z * w[k];
        sum.w += v.w * w[k];
      }
      float* to = sums + part * CELLS + u;
      to[0] = sum.x, to[U] = sum.y, to[2 * U] = sum.z, to[3 * U] = sum.w;
    }
    __syncthreads();
    const bool on = live;
    if (cell) {
      #pragma unroll
      for (int n = 0; n < NP; ++n) a += sums[n * CELLS + tid];
      a += xt;
      if (on) h = phi == 0 ? tanhf(a) : phi == 1 ? (a < 0.f ? 0.f : a) : sigmoid(a);
    }
    if (s < T - 1) {
      if (cell) mine[u * ROWS + row] = h;
      __syncthreads();
      if (tid < H) cl_store4(state + ((s + 1) & 1) * H + unit0 + u, tid / U, ((float4*)mine)[u]);
      cl_sync();
    }
    if (real) {                                    // after the barrier, which would wait until these have arrived
      hs[((size_t)(reverse ? t : t + 1) * B + b) * H + j] = h;
      if (y) y[at * H + j] = on ? h : 0.f;
    }
  }
  if (real) last[(size_t)b * H + j] = h;
}

// dy (T, B, H), dlast (B, H), each null where nothing used it; hs, w_hh, alive of the forward pass.
// -> d (T, B, H) before phi; dh0 (B, H), or null where there was no h0; db (clusters, H), the sums of d over the steps
//    and examples of a cluster, or null
extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
rnn_backward(const float* __restrict__ dy /*?*/, const float* __restrict__ dlast /*?*/, const float* __restrict__ hs,
             const float* __restrict__ w_hh, const unsigned char* __restrict__ alive /*?*/, float* __restrict__ d,
             float* __restrict__ dh0 /*?*/, float* __restrict__ db /*?*/, int T, int B, int reverse, int phi) {
  SMEM(memory);
  float4* got = memory;                            // [2][CL][U]  what each block sent, for the step before
  float4* mine = got + 2 * CL * U;                 // [U]  gradients before phi of this block's units
  float4* sums = mine + U;                         // [NG][H]
  const int tid = threadIdx.x, rank = cl_rank(), first = blockIdx.x / CL * ROWS, unit0 = rank * U;
  const int col = tid % KL, group = tid / KL;      // columns col, col + KL, ... of W_hh, and rows

  float w[RPG][4];
  if (group < NG) {
    #pragma unroll
    for (int n = 0; n < RPG; ++n) {
      const float* p = w_hh + (size_t)(unit0 + group * RPG + n) * H + col;
      w[n][0] = p[0], w[n][1] = p[KL], w[n][2] = p[2 * KL], w[n][3] = p[3 * KL];
    }
  }
  for (int i = tid; i < CL * U * ROWS; i += THREADS) {             // dlast, as if block 0 had sent it, and the others 0
    const int b = first + i % ROWS, k = i / ROWS;
    ((float*)(got + ((T - 1) & 1) * CL * U))[i] = dlast && k < U && b < B ? dlast[(size_t)b * H + unit0 + k] : 0.f;
  }

  const int row = tid / U, u = tid % U, b = first + row, j = unit0 + u;
  const bool cell = tid < CELLS, real = cell && b < B;
  float past = 0.f, bias = 0.f;                    // what goes past the product to the step before
  float h = 0.f, dy_t = 0.f;                       // of the step at hand, read one step ahead
  bool on = false;
  const auto read = [&](int s) {
    const int t = reverse ? T - 1 - s : s;
    const size_t at = (size_t)t * B + b;
    on = real && (!alive || alive[at]);
    if (on) {
      h = hs[((size_t)(reverse ? t : t + 1) * B + b) * H + j];
      if (dy) dy_t = dy[at * H + j];
    }
  };
  read(T - 1);
  cl_sync();
  for (int s = T - 1; s >= 0; --s) {
    float da = 0.f;
    if (cell) {
      #pragma unroll
      for (int n = 0; n < CL; ++n) past += ((float*)(got + ((s & 1) * CL + n) * U + u))[row];
      if (on) {                                    // else the gradient of the state passes by
        da = (past + dy_t) * (phi == 0 ? 1.f - h * h : phi == 1 ? (h > 0.f ? 1.f : 0.f) : h * (1.f - h));
        past = 0.f;
        bias += da;
      }
      if (s > 0) read(s - 1);
      ((float*)(mine + u))[row] = da;
    }
    __syncthreads();
    if (group < NG) {
      float4 sum[4] = {};
      #pragma unroll
      for (int n = 0; n < RPG; ++n) add_products(sum, mine[group * RPG + n], w[n]);
      #pragma unroll
      for (int i = 0; i < 4; ++i) sums[group * H + i * KL + col] = sum[i];
    }
    __syncthreads();
    if (tid < H)                                   // to the block that owns unit tid
      cl_store4(got + (((s + 1) & 1) * CL + rank) * U + u, tid / U, add_parts<NG>(sums + tid, H));
    cl_sync();
    if (real) d[((size_t)(reverse ? T - 1 - s : s) * B + b) * H + j] = da;         // after the barrier, as forward
  }
  if (dh0 && real) {
    #pragma unroll
    for (int n = 0; n < CL; ++n) past += ((float*)(got + (CL + n) * U + u))[row];
    dh0[(size_t)b * H + j] = past;
  }
  if (cell) ((float*)(mine + u))[row] = bias;
  __syncthreads();
  if (db && tid < U) {
    const float4 four = mine[tid];
    db[(size_t)(blockIdx.x / CL) * H + unit0 + tid] = four.x + four.y + four.z + four.w;
  }
}
