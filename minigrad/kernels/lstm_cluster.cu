// A whole LSTM sequence in one launch: W_hh is read once and stays on the chip.
// arch: 90
// macros: H=32 64 128 256 512
//
// Rows of a batch are independent, so one cluster of H / 32 blocks walks through time with 4 rows, and clusters never
// wait for each other. Block r of a cluster owns units 32 r ... 32 r + 31: their 4 gates are 128 rows of W_hh, H / 4
// weights a thread, in registers (at H = 512 the larger part in shared memory). A step forward: each warp multiplies a
// slice of h_{t-1}, the block sums the slices, makes the gates, and stores its 32 new h in all blocks of the cluster.
// A step back: the block makes the gradients of its gates, multiplies them by its rows of W_hh, and stores what this
// gives of dh_{t-1} in the blocks that own it. Two places used in turn make one barrier of the cluster a step enough.
//
// Launched with 512 threads a block, clusters of H / 32 blocks, one for every 4 rows of the batch.
// w_hh (4 H, H), rows i, f, g, o.  Step s = 0 ... T - 1 of the walk is time t = s, or T - 1 - s in reverse.
// hs, cs (T + 1, B, H): states, that before time t at t and that after it at t + 1; in reverse the other way round.
// alive (T, B): where false, the state stays, the output is 0, and the gradient of the state passes by.

#define U 32                                // units of a block
#define CL (H / U)                          // blocks of a cluster
#define ROWS 4                              // rows of the batch in a cluster
#define THREADS 512
#define WARPS 16
#define PER (H / WARPS)                     // times 4 weights a thread has
#ifndef KEEP                                // of them in registers; the tests keep fewer, to reach both ways at small H
#define KEEP (PER <= 16 ? PER : 12)         // with more than 12 and others to load, compute 12.0 spills
#endif

// What a thread owns between the products: one gate of a unit of a row. The gates of a unit are 4 neighbours of a warp,
// and a warp has 8 units, so that it reads and writes whole sectors of memory.
#define ROW (tid >> 7)
#define UNIT ((tid >> 2) & 31)
#define GATE (tid & 3)

// The values that the 4 lanes of a unit have (i, f, g, o), in each of them.
__device__ __forceinline__ float4 four(float v) {
  const int unit = threadIdx.x & 28;
  return make_float4(__shfl_sync(~0u, v, unit), __shfl_sync(~0u, v, unit | 1), __shfl_sync(~0u, v, unit | 2),
                     __shfl_sync(~0u, v, unit | 3));
}

// gates (T, B, 4 H): W_ih x, then i, f, g, o.  hn, cn (B, H): the last states.  y (T, B, H) where alive is given.
// shared: 2 H + 2080 + 512 (PER - KEEP) float4.
extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
lstm_forward(float* __restrict__ gates, const float* __restrict__ w_hh, const float* __restrict__ b_ih /*?*/,
             const float* __restrict__ b_hh /*?*/, const float* __restrict__ h0 /*?*/,
             const float* __restrict__ c0 /*?*/, const unsigned char* __restrict__ alive /*?*/,
             float* __restrict__ hs, float* __restrict__ cs, float* __restrict__ y /*?*/, float* __restrict__ hn,
             float* __restrict__ cn, int T, int B, int reverse) {
  SMEM(memory);
  float4* state = memory;                                  // [2][H]  h_{t-1}, a float4 of 4 rows, double buffered
  float* sums = (float*)(state + 2 * H);                   // [WARPS][ROWS][4 U]
  float* fresh = sums + WARPS * ROWS * 4 * U;              // [U][ROWS]  this block's new h
  float4* more = (float4*)(fresh + U * ROWS);              // [PER - KEEP][THREADS]  weights
  const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5, rank = cl_rank(), j0 = rank * U;
  const int b0 = blockIdx.x / CL * ROWS, b = b0 + ROW, unit = j0 + UNIT, column = GATE * H + unit;

  float w[KEEP][4];                                        // of unit j0 + lane, 4 gates
  #pragma unroll
  for (int k = 0; k < PER; ++k) {
    float v[4];
    #pragma unroll
    for (int q = 0; q < 4; ++q) v[q] = w_hh[(size_t)(q * H + j0 + lane) * H + warp * PER + k];
    if (k < KEEP) {
      #pragma unroll
      for (int q = 0; q < 4; ++q) w[k][q] = v[q];
    } else {
      more[(k - KEEP) * THREADS + tid] = make_float4(v[0], v[1], v[2], v[3]);
    }
  }
  for (int i = tid; i < ROWS * H; i += THREADS) {
    int r = b0 + (i & 3), k = i >> 2;
    ((float*)state)[i] = h0 && r < B ? h0[(size_t)r * H + k] : 0.f;
  }
  const bool inside = b < B, first = GATE == 0 && inside;
  const float bias = (b_ih ? b_ih[column] : 0.f) + (b_hh ? b_hh[column] : 0.f);
  const size_t own = (size_t)b * H + unit;                 // this thread's place in a state
  float h = h0 && inside ? h0[own] : 0.f, c = c0 && inside ? c0[own] : 0.f;
  if (first) {
    size_t start = (size_t)(reverse ? T : 0) * B * H + own;
    hs[start] = h;
    cs[start] = c;
  }
  cl_sync();                                               // all blocks run, and state[0] is written

  for (int s = 0; s < T; ++s) {
    const int t = reverse ? T - 1 - s : s;
    const size_t at = (size_t)t * B + b;
    const bool on = inside && (!alive || alive[at]);
    float a = on ? gates[at * 4 * H + column] : 0.f;       // asked for early, needed after the product
    const float4* slice = state + (s & 1) * H + warp * PER;
    float4 part[4] = {};                                   // of the gates of unit j0 + lane
    #pragma unroll
    for (int k = 0; k < KEEP; ++k) add_products(part, slice[k], w[k]);
    #pragma unroll 4
    for (int k = KEEP; k < PER; ++k) {
      float4 m = more[(k - KEEP) * THREADS + tid];
      add_products(part, slice[k], {m.x, m.y, m.z, m.w});
    }
    float4* to = (float4*)sums + warp * ROWS * U + lane;
    to[0] = make_float4(part[0].x, part[1].x, part[2].x, part[3].x);
    to[U] = make_float4(part[0].y, part[1].y, part[2].y, part[3].y);
    to[2 * U] = make_float4(part[0].z, part[1].z, part[2].z, part[3].z);
    to[3 * U] = make_float4(part[0].w, part[1].w, part[2].w, part[3].w);
    __syncthreads();
    float sum = bias;                                      // apart from a, which the compiler would wait for early
    #pragma unroll
    for (int p = 0; p < WARPS; ++p) sum += sums[p * THREADS + tid];
    a += sum;
    a = GATE == 2 ? tanhf(a) : sigmoid(a);
    float4 q = four(a);
    if (on) {
      c = q.y * c + q.x * q.z;
      h = q.w * tanhf(c);
    }
    if (GATE == 0) fresh[UNIT * ROWS + ROW] = h;
    __syncthreads();
    if (warp < CL) cl_store4(state + ((s + 1) & 1) * H + j0 + lane, warp, ((float4*)fresh)[lane]);
    cl_sync();
    // Global stores come after the barrier: its release would wait until they arrive.
    if (on) gates[at * 4 * H + column] = a;
    if (first) {
      size_t next = (size_t)(reverse ? t : t + 1) * B * H + own;
      hs[next] = h;
      cs[next] = c;
      if (y) y[at * H + unit] = on ? h : 0.f;
    }
  }
  if (first) {
    hn[own] = h;
    cn[own] = c;
  }
}

// dy (T, B, H), dhn, dcn (B, H): of the outputs and the last states.  gates and cs as lstm_forward left them.
// dgates (T, B, 4 H): before the nonlinearities.  dh0, dc0 (B, H).  db (clusters, 4 H): of a cluster's rows, summed.
// shared: 2 H + 2176 + 512 (PER - KEEP) float4.
#define KL (H / 4)                          // threads side by side in a product: each 4 values of k, KL apart
#define GROUPS (THREADS / KL)               // of the block's columns (unit, gate); a thread has PER columns

extern "C" __global__ void __cluster_dims__(CL, 1, 1) __launch_bounds__(THREADS, 1)
lstm_backward(const float* __restrict__ dy /*?*/, const float* __restrict__ dhn /*?*/,
              const float* __restrict__ dcn /*?*/, const float* __restrict__ gates, const float* __restrict__ cs,
              const float* __restrict__ w_hh, const unsigned char* __restrict__ alive /*?*/, float* __restrict__ dgates,
              float* __restrict__ dh0 /*?*/, float* __restrict__ dc0 /*?*/, float* __restrict__ db /*?*/, int T,
              int B, int reverse) {
  SMEM(memory);
  float4* parts = memory;                                  // [2][CL][U]  of dh_{t-1}, from each block, double buffered
  float4* d = parts + 2 * CL * U;                          // [4 U]  this block's gate gradients, a float4 of 4 rows
  float4* sums = d + 4 * U;                                // [GROUPS][H]
  float4* more = sums + GROUPS * H;                        // [PER - KEEP][THREADS]  weights
  const int tid = threadIdx.x, rank = cl_rank(), j0 = rank * U, kq = tid % KL, group = tid / KL;
  const int b0 = blockIdx.x / CL * ROWS, b = b0 + ROW, unit = j0 + UNIT, column = GATE * H + unit;

  float w[KEEP][4];
  #pragma unroll
  for (int n = 0; n < PER; ++n) {
    const int own = group * PER + n;                   // unit * 4 + gate
    float v[4];
    #pragma unroll
    for (int i = 0; i < 4; ++i) v[i] = w_hh[(size_t)((own & 3) * H + j0 + (own >> 2)) * H + kq + i * KL];
    if (n < KEEP) {
      #pragma unroll
      for (int i = 0; i < 4; ++i) w[n][i] = v[i];
    } else {
      more[(n - KEEP) * THREADS + tid] = make_float4(v[0], v[1], v[2], v[3]);
    }
  }
  const bool inside = b < B;
  const size_t own = (size_t)b * H + unit;
  const float* before = cs + (reverse ? (size_t)B * H : 0);           // before[t]: c_{t-1};  after[t]: c_t
  const float* after = cs + (reverse ? 0 : (size_t)B * H);
  for (int i = tid; i < ROWS * CL * U; i += THREADS) {     // dhn is block 0's part; what other blocks give is 0
    int r = i & 3, u = (i >> 2) & 31;
    ((float*)(parts + ((T - 1) & 1) * CL * U))[i] =
        i < ROWS * U && dhn && b0 + r < B ? dhn[(size_t)(b0 + r) * H + j0 + u] : 0.f;
  }
  float dc = dcn && inside ? dcn[own] : 0.f, kept = 0.f, bias = 0.f;
  size_t at;                                               // what the next step reads, asked for during the product
  float a, ct, cp, dh;
  bool on;
  auto ask = [&](int s) {
    at = (size_t)(reverse ? T - 1 - s : s) * B + b;
    on = inside && s >= 0 && (!alive || alive[at]);
    a = on ? gates[at * 4 * H + column] : 0.f;
    ct = on ? after[at * H + unit] : 0.f;
    cp = on ? before[at * H + unit] : 0.f;
    dh = on && dy ? dy[at * H + unit] : 0.f;
  };
  ask(T - 1);
  cl_sync();                                               // all blocks run, and the first parts are written

  for (int s = T - 1; s >= 0; --s) {
    dh += kept;
    for (int p = 0; p < CL; ++p) dh += ((float*)(parts + ((s & 1) * CL + p) * U + UNIT))[ROW];
    float4 q = four(a);
    float tc = tanhf(ct), da = 0.f;
    kept = on ? 0.f : dh;                                  // over: to the step before, unchanged
    if (on) {
      dc += dh * q.w * (1.f - tc * tc);
      da = GATE == 0 ? dc * q.z * a * (1.f - a) : GATE == 1 ? dc * cp * a * (1.f - a)
         : GATE == 2 ? dc * q.x * (1.f - a * a) : dh * tc * a * (1.f - a);
      dc *= q.y;
    }
    bias += da;
    ((float*)(d + UNIT * 4 + GATE))[ROW] = da;
    const size_t place = at * 4 * H + column;
    ask(s - 1);
    __syncthreads();
    float4 part[4] = {};                                   // of 4 values of k
    #pragma unroll
    for (int n = 0; n < KEEP; ++n) add_products(part, d[group * PER + n], w[n]);
    #pragma unroll 4
    for (int n = KEEP; n < PER; ++n) {
      float4 m = more[(n - KEEP) * THREADS + tid];
      add_products(part, d[group * PER + n], {m.x, m.y, m.z, m.w});
    }
    #pragma unroll
    for (int i = 0; i < 4; ++i) sums[group * H + kq + i * KL] = part[i];
    __syncthreads();
    if (tid < H)                                           // what this block knows of dh_{t-1}, to the owner of unit k
      cl_store4(parts + (((s + 1) & 1) * CL + rank) * U + (tid & 31), tid >> 5, add_parts<GROUPS>(sums + tid, H));
    cl_sync();
    if (inside) dgates[place] = da;                        // after the barrier, as in lstm_forward
  }
  for (int p = 0; p < CL; ++p) kept += ((float*)(parts + (CL + p) * U + UNIT))[ROW];        // of "step" -1
  if (GATE == 0 && inside) {
    if (dh0) dh0[own] = kept;
    if (dc0) dc0[own] = dc;
  }
  if (db) {
    ((float*)(d + UNIT * 4 + GATE))[ROW] = bias;
    __syncthreads();
    if (tid < 4 * U) {
      float4 x = d[tid];
      db[(size_t)(blockIdx.x / CL) * 4 * H + (tid & 3) * H + j0 + (tid >> 2)] = x.x + x.y + x.z + x.w;
    }
  }
}
