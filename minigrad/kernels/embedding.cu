// Rows of a table, and rows added into one at few ids: the block of an id's first occurrence adds all of them. More ids
// are brought together by sort.cu.

// y_i = w[id_i], a warp a row; NaN where id_i is no row.  w (V, E), ids (n), y (n, E).  kept (n): a copy of the ids.
extern "C" __global__ void embedding_rows(const float* w, const long long* ids, float* y, long long* kept /*?*/, int n,
                                          int V, int E) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= n) return;
  long long id = ids[row];
  float* to = y + (long long)row * E;
  if (id >= 0 && id < V) {
    const float* from = w + id * E;
    for (int e = lane; e < E; e += 32) to[e] = from[e];
  } else {
    for (int e = lane; e < E; e += 32) to[e] = __uint_as_float(0x7fc00000u);
  }
  if (kept && lane == 0) kept[row] = id;
}

// out[id_i] = the sum of its rows_i, for few ids: one block for each of `tiles` stretches of columns of each position.
// ids (n), rows (n, E), out (V, E).  padding: the id whose row stays as it is, or -1.
extern "C" __global__ void embedding_few(const long long* __restrict__ ids, const float* __restrict__ rows,
                                         float* __restrict__ out, int n, int V, int E, int padding, int tiles) {
  int i = blockIdx.x / tiles, e = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  long long id = ids[i];
  if (e >= E || id < 0 || id >= V || id == padding) return;
  for (int j = 0; j < i; ++j)
    if (ids[j] == id) return;                // the first one adds for all
  float sum = rows[(long long)i * E + e];
  for (int j = i + 1; j < n; ++j)
    if (ids[j] == id) sum += rows[(long long)j * E + e];
  out[id * E + e] = sum;
}
