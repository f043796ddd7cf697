// Layer norm of rows (rows, n), alone and with what stands before it in a Transformer (nn/fused/layer_norm.py has the
// formulas). One block a row.
//
//     s = (x + bias) kept + residual,   h = (s - mean s) r,   r = 1 / sqrt(mean (s - mean s)^2 + eps),   y = h w + b
//     ds = r (u - mean u - h mean(u h)) + plus,   u = g w;   dw = sum g h,   db = sum g

// sum (rows, n) gets s where something is added to x; else x is s.  mean, r (rows) are kept for the gradient.
extern "C" __global__ void layer_norm_forward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                              const float* residual /*?*/, float* sum /*?*/, const float* w /*?*/,
                                              const float* b /*?*/, float* y, float* mean, float* r, int n, float eps) {
  SMEM(memory);
  float* red = (float*)memory;
  size_t start = (size_t)blockIdx.x * n;
  const float* s = sum ? sum + start : x + start;
  float m = 0.f, v = 0.f;
  for (int j = threadIdx.x; j < n; j += blockDim.x) {
    float value = x[start + j];
    if (sum) {
      if (bias) value += bias[j];
      if (kept) value *= kept[start + j];
      if (residual) value += residual[start + j];
      sum[start + j] = value;                                                  // read again by this thread only
    }
    m += value;
  }
  m = block_sum(m, red) / n;
  for (int j = threadIdx.x; j < n; j += blockDim.x) v += (s[j] - m) * (s[j] - m);
  v = 1.f / sqrtf(block_sum(v, red + 32) / n + eps);
  for (int j = threadIdx.x; j < n; j += blockDim.x) {
    float h = (s[j] - m) * v;
    y[start + j] = (w ? h * w[j] : h) + (b ? b[j] : 0.f);
  }
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = m;
    r[blockIdx.x] = v;
  }
}

// ds (rows, n).  plus: another gradient of s, added.  dropped (rows, n): ds kept, the gradient of x + bias.
extern "C" __global__ void layer_norm_backward(const float* s, const float* w /*?*/, const float* mean, const float* r,
                                               const float* g, const float* plus /*?*/, const float* kept /*?*/,
                                               float* ds, float* dropped /*?*/, int n) {
  SMEM(memory);
  size_t start = (size_t)blockIdx.x * n;
  float m = mean[blockIdx.x], root = r[blockIdx.x], a = 0.f, c = 0.f;
  for (int j = threadIdx.x; j < n; j += blockDim.x) {
    float u = w ? g[start + j] * w[j] : g[start + j];
    a += u;
    c += u * (s[start + j] - m) * root;
  }
  block_sum2(a, c, (float*)memory);
  a /= n;
  c /= n;
  for (int j = threadIdx.x; j < n; j += blockDim.x) {
    float u = w ? g[start + j] * w[j] : g[start + j], h = (s[start + j] - m) * root;
    float d = root * (u - a - h * c) + (plus ? plus[start + j] : 0.f);
    ds[start + j] = d;
    if (dropped) dropped[start + j] = d * kept[start + j];
  }
}

// parts (chunks, 2, n): sums of g h and of g over `span` rows each; column_totals adds them up.  As column_parts.
extern "C" __global__ void layer_norm_parts(const float* s, const float* mean, const float* r, const float* g,
                                            float* parts, int rows, int n, int span) {
  u32 tiles = (n + blockDim.x - 1) / blockDim.x, chunk = blockIdx.x / tiles;
  int j = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  if (j >= n) return;
  int first = chunk * span, end = min(first + span, rows);
  float dw = 0.f, db = 0.f;
  for (int i = first; i < end; ++i) {
    float gi = g[(size_t)i * n + j];
    dw += gi * (s[(size_t)i * n + j] - mean[i]) * r[i];
    db += gi;
  }
  parts[(size_t)chunk * 2 * n + j] = dw;
  parts[(size_t)chunk * 2 * n + n + j] = db;
}
