// A stable sort of ids, and sums over the runs of equal ones in one order: the gradients of tables of rows.
//
// The sort goes by up to 10 bits a pass, in a launch for the first counts and one a pass: a block sees from the counts
// of all tiles where each digit of its own belongs, brings its keys there, and counts the next digit in the tiles where
// they arrive. Whole numbers add up to the same in any order, and equal keys keep theirs, so that rows of one id are
// added in the order in which they came, in every run.
//
// The sums: a block adds up `span` places that stand side by side, and where a run goes on over more than one span,
// run_join adds its parts in order. So an id which is a twentieth of all waits for no single warp, and no float atomic
// is needed.

constexpr int WARPS = 8;                     // a block of the sort
constexpr int EACH = 4;                      // digits of a thread of it: at most 2^10 in all
constexpr int AT_ONCE = 8;                   // rows that are on their way at once

// keys (n) are sorted. Where ids (n) are given, they are made of them: `most` for an id out of 0 ... most - 1, and for
// `none`.  -> counts (passes, tiles, 2^bits): how often each digit of the lowest bits occurs in a tile, and zeros.
// A block a tile of 32 WARPS rounds keys.  Shared: 2^bits ints.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
sort_count(const long long* __restrict__ ids /*?*/, int* __restrict__ keys, int* __restrict__ counts, int n, int most,
           int none, int passes, int bits, int rounds) {
  SMEM(memory);
  int* mine = (int*)memory;
  const int digits = 1 << bits, tile = 32 * WARPS * rounds;
  const int start = blockIdx.x * tile, end = min(n, start + tile);
  for (int d = threadIdx.x; d < digits; d += blockDim.x) mine[d] = 0;
  __syncthreads();
  for (int p = start + threadIdx.x; p < end; p += blockDim.x) {
    if (ids) {
      const long long id = ids[p];
      keys[p] = id >= 0 && id < most && id != none ? (int)id : most;
    }
    atomicAdd(&mine[keys[p] & (digits - 1)], 1);
  }
  __syncthreads();
  for (int pass = 0; pass < passes; ++pass)
    for (int d = threadIdx.x; d < digits; d += blockDim.x)
      counts[((size_t)pass * gridDim.x + blockIdx.x) * digits + d] = pass ? 0 : mine[d];
}

// to_keys, to_order (n): keys, and order (null: 0, 1, 2, ...), sorted by the bits of this pass. counts are read for it,
// and added up for the next one.  A block a tile.  Shared: WARPS (2^bits + 1) ints.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
sort_place(const int* __restrict__ keys, const int* __restrict__ order /*?*/, int* counts, int* __restrict__ to_keys,
           int* __restrict__ to_order, int n, int turn, int passes, int bits, int rounds) {
  SMEM(memory);
  int* place = (int*)memory;                 // (WARPS, 2^bits): how many a warp has of a digit, then where they go
  int* totals = place + (WARPS << bits);     // (WARPS)
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, tiles = gridDim.x, tile = 32 * WARPS * rounds;
  const int digits = 1 << bits, mask = digits - 1, shift = turn * bits;
  const int first = blockIdx.x * tile + warp * 32 * rounds, last = min(n, first + 32 * rounds);
  const int* here = counts + (size_t)turn * tiles * digits;
  int* next = turn + 1 < passes ? counts + (size_t)(turn + 1) * tiles * digits : nullptr;
  int* own = place + (warp << bits);
  for (int d = lane; d < digits; d += 32) own[d] = 0;
  __syncwarp();
  for (int p = first + lane; p < last; p += 32) atomicAdd(&own[keys[p] >> shift & mask], 1);

  // A digit's first key of this tile comes behind all of lower digits, and those of this digit in the tiles before.
  const int each = max(1, digits / (32 * WARPS)), d0 = threadIdx.x * each;
  int before[EACH] = {}, all[EACH] = {}, sum = 0;
  for (int t = 0; t < tiles; ++t)
    #pragma unroll
    for (int q = 0; q < EACH; ++q)
      if (q < each && d0 + q < digits) {
        const int count = here[(size_t)t * digits + d0 + q];
        all[q] += count;
        if (t < (int)blockIdx.x) before[q] += count;
      }
  #pragma unroll
  for (int q = 0; q < EACH; ++q) {
    before[q] += sum;
    sum += all[q];
  }
  int upto = sum;
  #pragma unroll
  for (int d = 1; d < 32; d <<= 1) {
    const int left = __shfl_up_sync(~0u, upto, d);
    if (lane >= d) upto += left;
  }
  if (lane == 31) totals[warp] = upto;
  __syncthreads();
  int base = upto - sum;
  for (int w = 0; w < warp; ++w) base += totals[w];
  #pragma unroll
  for (int q = 0; q < EACH; ++q)
    if (q < each && d0 + q < digits) {
      int at = base + before[q];
      for (int w = 0; w < WARPS; ++w) {
        int* of_warp = &place[(w << bits) + d0 + q];
        const int count = *of_warp;
        *of_warp = at;
        at += count;
      }
    }
  __syncthreads();

  for (int p0 = first; p0 < last; p0 += 32) {
    const int p = p0 + lane;
    const bool there = p < last;
    const int key = there ? keys[p] : 0, item = there && order ? order[p] : p, digit = key >> shift & mask;
    u32 peers = __ballot_sync(~0u, there);   // lanes with this digit
    for (int bit = 0; bit < bits; ++bit) {
      const bool set = digit >> bit & 1;
      const u32 votes = __ballot_sync(~0u, set);
      peers &= set ? votes : ~votes;
    }
    const int leader = peers ? __ffs(peers) - 1 : lane;
    int at = 0;
    if (there && lane == leader) {
      at = own[digit];
      own[digit] = at + __popc(peers);
    }
    __syncwarp();                            // of the next 32 another lane may have this digit
    at = __shfl_sync(~0u, at, leader) + __popc(peers & ((1u << lane) - 1));
    if (there) {
      to_keys[at] = key;
      to_order[at] = item;
      if (next) atomicAdd(&next[(size_t)(at / tile) * digits + (key >> (shift + bits) & mask)], 1);
    }
  }
}

// ---- sums of runs of sorted keys (n), and of what stands at the places order (n)

// The row of a key: of out (V, D), or from V on of more; null where there is none, and the key takes no part.
__device__ __forceinline__ float* row_of(int key, float* out, float* more, int D, int V) {
  return key < V ? out + (size_t)key * D : more ? more + (size_t)(key - V) * D : nullptr;
}

// row_of(key) = sum of factor x over the run of a key, as far as it is in the span where it begins; heads[i] = what a
// run that began before has in span i.  give(item, x, factor): which row is added for an item, and how often.
// `tiles` blocks a span, for D columns.  Shared: 4 span + 2 words.
template <class Give>
__device__ __forceinline__ void add_runs(float4* memory, const int* keys, const int* order, float* out, float* more,
                                         float* heads, int n, int D, int span, int tiles, int V, Give give) {
  const float** from = (const float**)memory;                  // [span]
  float* factor = (float*)(from + span);                       // [span]
  int* key = (int*)(factor + span);                            // [span + 2] with those of the two neighbours
  const int number = blockIdx.x / tiles, start = number * span, count = min(span, n - start);
  if (!row_of(keys[start], out, more, D, V)) return;           // what takes no part stands at the end
  for (int i = threadIdx.x; i < count + 2; i += blockDim.x) {
    const int p = start + i - 1;
    key[i] = p < 0 || p >= n ? -1 : keys[p];
  }
  for (int i = threadIdx.x; i < count; i += blockDim.x) give(order[start + i], from[i], factor[i]);
  __syncthreads();
  const int d = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  if (d >= D) return;
  bool began = key[0] == key[1];
  float sum = 0.f;
  for (int i0 = 0; i0 < count; i0 += AT_ONCE) {
    float x[AT_ONCE];
    #pragma unroll
    for (int j = 0; j < AT_ONCE; ++j) x[j] = i0 + j < count ? factor[i0 + j] * from[i0 + j][d] : 0.f;
    #pragma unroll
    for (int j = 0; j < AT_ONCE; ++j) {
      const int i = i0 + j;
      sum += x[j];
      if (i < count && (i + 1 == count || key[i + 1] != key[i + 2])) {
        if (began) heads[(size_t)number * D + d] = sum;
        else if (float* row = row_of(key[i + 1], out, more, D, V)) row[d] = sum;
        began = false;
        sum = 0.f;
      }
    }
  }
}

// Rows of a gradient: rows (n, D) -> out (V, D), more, heads (spans, D).  See add_runs.
extern "C" __global__ void run_rows(const int* __restrict__ keys, const int* __restrict__ order,
                                    const float* __restrict__ rows, float* __restrict__ out,
                                    float* __restrict__ more /*?*/, float* __restrict__ heads, int n, int D, int span,
                                    int tiles, int V) {
  SMEM(memory);
  add_runs(memory, keys, order, out, more, heads, n, D, span, tiles, V, [=](int item, const float*& x, float& factor) {
    x = rows + (size_t)item * D;
    factor = 1.f;
  });
}

// Products: item i of the first `pairs` `words` adds coef_i times its pair's row, and those behind add a row of dh;
// everything times scale g.  The row of pair p is rows[p], or where items are behind, rows[given[behind + p] - V];
// given: the keys before the sort.  coef (pairs, words), dh (pairs, D) -> out (V, D), more, heads (spans, D).
extern "C" __global__ void run_products(const int* __restrict__ keys, const int* __restrict__ order,
                                        const int* __restrict__ given, const float* __restrict__ coef,
                                        const float* __restrict__ rows, const float* __restrict__ dh,
                                        const float* __restrict__ g, float* __restrict__ out,
                                        float* __restrict__ more /*?*/, float* __restrict__ heads, int n, int D,
                                        int span, int tiles, int V, int pairs, int words, float scale) {
  SMEM(memory);
  const int behind = pairs * words;
  const float all = scale * g[0];
  add_runs(memory, keys, order, out, more, heads, n, D, span, tiles, V, [=](int item, const float*& x, float& factor) {
    const int pair = item / words;
    if (item < behind) x = rows + (size_t)(n > behind ? given[behind + pair] - V : pair) * D;
    else x = dh + (size_t)(item - behind) * D;
    factor = item < behind ? all * coef[item] : all;
  });
}

// row_of(key) += the heads of the spans that its run reaches, for the run that begins in this block's span and goes on.
extern "C" __global__ void run_join(const int* __restrict__ keys, const float* __restrict__ heads,
                                    float* __restrict__ out, float* __restrict__ more /*?*/, int n, int D, int span,
                                    int tiles, int V) {
  const int number = blockIdx.x / tiles, start = number * span, next = start + span, spans = (n + span - 1) / span;
  const int d = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  if (d >= D || next >= n) return;
  const int key = keys[next - 1];
  float* row = row_of(key, out, more, D, V);
  if (!row || keys[next] != key || (start > 0 && keys[start - 1] == key)) return;
  int last = number + 1, step = 1;           // the last span that begins with this key, by leaps and then by halves
  while (last + step < spans && keys[(last + step) * span] == key) {
    last += step;
    step *= 2;
  }
  for (; step; step /= 2)
    if (last + step < spans && keys[(last + step) * span] == key) last += step;
  float sum = row[d];
  #pragma unroll 8
  for (int s = number + 1; s <= last; ++s) sum += heads[(size_t)s * D + d];
  row[d] = sum;
}
