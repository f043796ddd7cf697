// One step of an Elman network in one launch, beside a product: for chips without clusters, and for any H.
//
//   forward    xg[t] += h W_hh^T by BLAS, then rnn_cell_forward
//   backward   rnn_cell_backward, then dh += d[t] W_hh by BLAS
//
// phi, the order of steps and the places of hs are those of rnn_cluster.cu. All arrays are those of the whole sequence;
// step counts along the walk. A thread has one unit of one example.

// xg (T, B, H) = x W_ih^T + h W_hh^T; else as rnn_forward.  last is written in the last step.
extern "C" __global__ void
rnn_cell_forward(const float* __restrict__ xg, const float* __restrict__ b_ih /*?*/,
                 const float* __restrict__ b_hh /*?*/, const float* __restrict__ h0 /*?*/,
                 const unsigned char* __restrict__ alive /*?*/, float* hs, float* __restrict__ y /*?*/,
                 float* __restrict__ last, int T, int B, int H, int step, int reverse, int phi) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= B * H) return;
  const int b = i / H, j = i % H, t = reverse ? T - 1 - step : step, size = B * H;
  const bool on = !alive || alive[(size_t)t * B + b];
  float h = 0.f;
  if (step > 0) h = hs[(size_t)(reverse ? t + 1 : t) * size + i];
  else if (h0) h = h0[i];
  if (step == 0) hs[(size_t)(reverse ? T : 0) * size + i] = h;
  if (on) {
    float a = xg[(size_t)t * size + i];
    if (b_ih) a += b_ih[j];
    if (b_hh) a += b_hh[j];
    h = phi == 0 ? tanhf(a) : phi == 1 ? (a < 0.f ? 0.f : a) : sigmoid(a);
  }
  hs[(size_t)(reverse ? t : t + 1) * size + i] = h;
  if (y) y[(size_t)t * size + i] = on ? h : 0.f;
  if (step == T - 1) last[i] = h;
}

// dh (B, H): in, the gradient of h_t but for dy_t, which in the last step is dlast, or 0 where that is null; out, the
// part of the gradient of h_{t-1} that goes past the product.  Else as rnn_backward.
extern "C" __global__ void
rnn_cell_backward(const float* __restrict__ dy /*?*/, const float* __restrict__ dlast /*?*/,
                  const float* __restrict__ hs, const unsigned char* __restrict__ alive /*?*/, float* __restrict__ d,
                  float* __restrict__ dh, int T, int B, int H, int step, int reverse, int phi) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= B * H) return;
  const int t = reverse ? T - 1 - step : step, size = B * H;
  float g = 0.f, da = 0.f;
  if (step < T - 1) g = dh[i];
  else if (dlast) g = dlast[i];
  if (!alive || alive[(size_t)t * B + i / H]) {    // else the gradient of the state passes by
    const float h = hs[(size_t)(reverse ? t : t + 1) * size + i];
    if (dy) g += dy[(size_t)t * size + i];
    da = g * (phi == 0 ? 1.f - h * h : phi == 1 ? (h > 0.f ? 1.f : 0.f) : h * (1.f - h));
    g = 0.f;
  }
  d[(size_t)t * size + i] = da;
  dh[i] = g;
}
