// Sums over the rows of a matrix (rows, n), in two stages of a fixed order: no atomics, two runs give the same bits.
// A thread owns a column: neighbours read neighbours, nobody waits.  Gradients of biases.

// parts (chunks, n): the sums of `span` rows each.  grid: chunks * tiles, tiles = ceil(n / blockDim).
extern "C" __global__ void column_parts(const float* a, float* parts, int rows, int n, int span) {
  u32 tiles = (n + blockDim.x - 1) / blockDim.x, chunk = blockIdx.x / tiles;
  int j = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  if (j >= n) return;
  int first = chunk * span, end = min(first + span, rows);
  float sum = 0.f;
  for (int i = first; i < end; ++i) sum += a[(size_t)i * n + j];
  parts[(size_t)chunk * n + j] = sum;
}

// The sums of the parts: of the first `width` columns into out, of the others into rest.  grid: tiles.
extern "C" __global__ void column_totals(const float* parts, float* out, float* rest /*?*/, int chunks, int n,
                                         int width) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= n) return;
  float sum = 0.f;
  for (int c = 0; c < chunks; ++c) sum += parts[(size_t)c * n + j];
  *(j < width ? out + j : rest + (j - width)) = sum;
}
