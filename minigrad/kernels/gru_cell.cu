// One step of a GRU in one launch, beside a product: what a chip without clusters, or another H, does for each step.
//
//   forward    hg = h W_hh^T by BLAS, then gru_cell_forward
//   backward   gru_cell_backward, then dh += d_hh[t] W_hh by BLAS
//
// The equations, the order of steps and the layout of gates and hs are those of gru_cluster.cu. All arrays are those of
// the whole sequence; step counts along the walk. A thread has one unit of one example.

// hg (B, 3H), or null where h is 0; else as gru_forward.  last is written in the last step.
extern "C" __global__ void
gru_cell_forward(const float* __restrict__ xg, const float* __restrict__ hg /*?*/, const float* __restrict__ b_ih /*?*/,
                 const float* __restrict__ b_hh /*?*/, const float* __restrict__ h0 /*?*/,
                 const unsigned char* __restrict__ alive /*?*/, float* __restrict__ gates, float* hs,
                 float* __restrict__ y /*?*/, float* __restrict__ last, int T, int B, int H, int step, int reverse) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= B * H) return;
  const int b = i / H, j = i % H, t = reverse ? T - 1 - step : step, size = B * H;
  const size_t at = (size_t)t * B + b;
  float a[3], p[3];                                // x_t W_ih^T + b_ih, h W_hh^T + b_hh
  #pragma unroll
  for (int g = 0; g < 3; ++g) {
    a[g] = xg[(at * 3 + g) * H + j];
    p[g] = 0.f;
    if (hg) p[g] = hg[((size_t)b * 3 + g) * H + j];
    if (b_ih) a[g] += b_ih[g * H + j];
    if (b_hh) p[g] += b_hh[g * H + j];
  }
  float h = 0.f;
  if (step > 0) h = hs[(size_t)(reverse ? t + 1 : t) * size + i];
  else if (h0) h = h0[i];
  if (step == 0) hs[(size_t)(reverse ? T : 0) * size + i] = h;
  const float r = sigmoid(a[0] + p[0]), z = sigmoid(a[1] + p[1]), n = tanhf(a[2] + r * p[2]);
  const bool on = !alive || alive[at];
  if (on) h = n + z * (h - n);
  float* kept = gates + at * 4 * H + j;
  kept[0] = r, kept[H] = z, kept[2 * (size_t)H] = p[2], kept[3 * (size_t)H] = n;
  hs[(size_t)(reverse ? t : t + 1) * size + i] = h;
  if (y) y[(size_t)t * size + i] = on ? h : 0.f;
  if (step == T - 1) last[i] = h;
}

// dh (B, H): in, the gradient of h_t but for dy_t, which in the last step is dlast, or 0 where that is null; out, the
// part of the gradient of h_{t-1} that goes past the product.  Else as gru_backward.
extern "C" __global__ void
gru_cell_backward(const float* __restrict__ dy /*?*/, const float* __restrict__ dlast /*?*/,
                  const float* __restrict__ gates, const float* __restrict__ hs,
                  const unsigned char* __restrict__ alive /*?*/, float* __restrict__ d_ih, float* __restrict__ d_hh,
                  float* __restrict__ dh, int T, int B, int H, int step, int reverse) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= B * H) return;
  const int b = i / H, j = i % H, t = reverse ? T - 1 - step : step, size = B * H;
  const size_t at = (size_t)t * B + b;
  float g = 0.f, d[4] = {};                        // of r, z, q, n
  if (step < T - 1) g = dh[i];
  else if (dlast) g = dlast[i];
  if (!alive || alive[at]) {                       // else the gradient of the state passes by
    const float* kept = gates + at * 4 * H + j;
    const float r = kept[0], z = kept[H], q = kept[2 * (size_t)H], n = kept[3 * (size_t)H];
    if (dy) g += dy[(size_t)t * size + i];
    d[3] = g * (1.f - z) * (1.f - n * n);
    d[2] = d[3] * r;
    d[1] = g * (hs[(size_t)(reverse ? t + 1 : t) * size + i] - n) * z * (1.f - z);
    d[0] = d[3] * q * r * (1.f - r);
    g *= z;
  }
  float *to_ih = d_ih + at * 3 * H + j, *to_hh = d_hh + at * 3 * H + j;
  to_ih[0] = d[0], to_ih[H] = d[1], to_ih[2 * (size_t)H] = d[3];
  to_hh[0] = d[0], to_hh[H] = d[1], to_hh[2 * (size_t)H] = d[2];
  dh[i] = g;
}
