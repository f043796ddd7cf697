// What stands between the two products of a Transformer's network, elementwise over (rows, n), one launch each:
//
//     y = phi(x + bias) kept,   dx = g kept phi'(x + bias);   phi is gelu or relu
//     y = (x + bias) kept + residual
//
// gelu u = u P(u), gelu' u = P(u) + u e^(-u u / 2) / sqrt(2 pi), P(u) = (1 + erf(u / sqrt 2)) / 2.

// grid: rows * ceil(n / blockDim): a block stays in one row, so that no thread divides.

#define EACH(i, j)                                                             \
  u32 tiles = (n + blockDim.x - 1) / blockDim.x;                               \
  int j = blockIdx.x % tiles * blockDim.x + threadIdx.x;                       \
  if (j >= n) return;                                                          \
  size_t i = (size_t)(blockIdx.x / tiles) * n + j

__device__ __forceinline__ float normal_below(float u) { return 0.5f * (1.f + erff(u * 0.70710678f)); }

extern "C" __global__ void bias_gelu_forward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                             float* y, int n) {
  EACH(i, j);
  float u = bias ? x[i] + bias[j] : x[i];
  u *= normal_below(u);
  y[i] = kept ? u * kept[i] : u;
}

extern "C" __global__ void bias_gelu_backward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                              const float* g, float* dx, int n) {
  EACH(i, j);
  float u = bias ? x[i] + bias[j] : x[i];
  float slope = normal_below(u) + u * expf(-0.5f * u * u) * 0.39894228f;
  dx[i] = kept ? g[i] * kept[i] * slope : g[i] * slope;
}

extern "C" __global__ void bias_relu_forward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                             float* y, int n) {
  EACH(i, j);
  float u = bias ? x[i] + bias[j] : x[i];
  u = u > 0.f || u != u ? u : 0.f;                                             // NaN stays, as in NumPy's maximum
  y[i] = kept ? u * kept[i] : u;
}

extern "C" __global__ void bias_relu_backward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                              const float* g, float* dx, int n) {
  EACH(i, j);
  float u = bias ? x[i] + bias[j] : x[i];
  dx[i] = u > 0.f ? kept ? g[i] * kept[i] : g[i] : 0.f;
}

extern "C" __global__ void residual_forward(const float* x, const float* bias /*?*/, const float* kept /*?*/,
                                            const float* residual, float* y, int n) {
  EACH(i, j);
  float u = bias ? x[i] + bias[j] : x[i];
  y[i] = (kept ? u * kept[i] : u) + residual[i];
}
