// One step of an LSTM between two products: chips without clusters, and sizes that lstm_cluster.cu has not.
//
// One thread for a unit of a row: a grid of B H / 256 blocks.  The products lie around it:
//   forward   gates_t += h_{t-1} W_hh^T, then lstm_cell_forward
//   backward  lstm_cell_backward, then dh += dgates_t W_hh
// gates (T, B, 4 H), blocks i, f, g, o.  hs, cs (T + 1, B, H): states, that before time t at `before`, that after it at
// `after`.  alive (T, B): where false, the state stays, the output is 0, and the gradient of the state passes by.

// gates_t: W_ih x + W_hh h, then i, f, g, o.  y (T, B, H) where alive is given.
extern "C" __global__ void lstm_cell_forward(
    float* __restrict__ gates, const float* __restrict__ b_ih /*?*/, const float* __restrict__ b_hh /*?*/,
    const unsigned char* __restrict__ alive /*?*/, float* __restrict__ hs, float* __restrict__ cs,
    float* __restrict__ y /*?*/, int t, int before, int after, int B, int H) {
  const int n = blockIdx.x * blockDim.x + threadIdx.x;
  if (n >= B * H) return;
  const int b = n / H, unit = n % H;
  const size_t row = (size_t)t * B + b, old = (size_t)before * B * H + n, now = (size_t)after * B * H + n;
  const bool on = !alive || alive[row];
  float h = 0.f, c = 0.f;
  if (on) {
    float a[4];
    #pragma unroll
    for (int q = 0; q < 4; ++q) {
      float* place = gates + row * 4 * H + q * H + unit;
      a[q] = *place + (b_ih ? b_ih[q * H + unit] : 0.f) + (b_hh ? b_hh[q * H + unit] : 0.f);
      a[q] = q == 2 ? tanhf(a[q]) : sigmoid(a[q]);
      *place = a[q];
    }
    c = a[1] * cs[old] + a[0] * a[2];
    h = a[3] * tanhf(c);
  }
  hs[now] = on ? h : hs[old];
  cs[now] = on ? c : cs[old];
  if (y) y[row * H + unit] = h;
}

// dh, dc (B, H): of the state after the step; then of that before it, dh without the product's part.
// dy (T, B, H): of the outputs.  dgates (T, B, 4 H): before the nonlinearities.
extern "C" __global__ void lstm_cell_backward(
    const float* __restrict__ dy /*?*/, const float* __restrict__ gates, const float* __restrict__ cs,
    const unsigned char* __restrict__ alive /*?*/, float* __restrict__ dh, float* __restrict__ dc,
    float* __restrict__ dgates, int t, int before, int after, int B, int H) {
  const int n = blockIdx.x * blockDim.x + threadIdx.x;
  if (n >= B * H) return;
  const int b = n / H, unit = n % H;
  const size_t row = (size_t)t * B + b, place = row * 4 * H + unit;
  float d[4] = {};
  if (!alive || alive[row]) {
    const float i = gates[place], f = gates[place + H], g = gates[place + 2 * H], o = gates[place + 3 * H];
    const float tc = tanhf(cs[(size_t)after * B * H + n]), total = dh[n] + (dy ? dy[row * H + unit] : 0.f);
    const float dct = dc[n] + total * o * (1.f - tc * tc);
    d[0] = dct * g * i * (1.f - i);
    d[1] = dct * cs[(size_t)before * B * H + n] * f * (1.f - f);
    d[2] = dct * i * (1.f - g * g);
    d[3] = total * tc * o * (1.f - o);
    dc[n] = dct * f;
    dh[n] = 0.f;
  }
  #pragma unroll
  for (int q = 0; q < 4; ++q) dgates[place + q * H] = d[q];
}
