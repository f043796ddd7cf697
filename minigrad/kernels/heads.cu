// Rows of attention's projections taken apart into heads, and heads put side by side into rows.
//
// A row is one step of one example: `parts` arrays (q, k, v) side by side, each of `heads` times d numbers. Rows stand
// as (B, L), or as (L, B): then batch_first is 0. Heads are (parts, B, heads, L, d), so that each matrix (L, d) is whole
// and all of them are one batch for cuBLAS.

// grid: B * L * ceil(parts heads d / blockDim): a block stays in one row.

// The column of this thread, and where row and column stand among the heads.
__device__ __forceinline__ size_t among_heads(int& column, size_t& row, int width, int B, int L, int heads, int d,
                                              int batch_first) {
  u32 tiles = (width + blockDim.x - 1) / blockDim.x, r = blockIdx.x / tiles;
  column = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  row = r;
  u32 b = batch_first ? r / L : r % B, l = batch_first ? r % L : r / B;
  u32 head = column / d;                                                       // of all parts
  return ((((size_t)(head / heads) * B + b) * heads + head % heads) * L + l) * d + column % d;
}

extern "C" __global__ void split_heads(const float* rows, const float* bias /*?*/, float* out, int parts, int B, int L,
                                       int heads, int d, int batch_first) {
  int column, width = parts * heads * d;
  size_t row, there = among_heads(column, row, width, B, L, heads, d, batch_first);
  if (column >= width) return;
  float v = rows[row * width + column];
  out[there] = bias ? v + bias[column] : v;
}

extern "C" __global__ void merge_heads(const float* x, float* rows, int parts, int B, int L, int heads, int d,
                                       int batch_first) {
  int column, width = parts * heads * d;
  size_t row, there = among_heads(column, row, width, B, L, heads, d, batch_first);
  if (column < width) rows[row * width + column] = x[there];
}
