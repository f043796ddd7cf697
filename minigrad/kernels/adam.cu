// One step of an optimiser on a flat buffer: one launch for up to 16 parameters, whose gradients stay where they are.
//
// bounds (count, 2): where each parameter begins and ends in the buffer; a null gradient leaves its parameter alone.
// A thread has one element.  live: where the step's numbers stand, if they change from replay to replay of a graph;
// else they come by value.  Every product and sum is rounded by itself, as NumPy does it: no fused multiply-add.

#ifdef MG_EMU                                // g++ is told to contract nothing
#define __fmul_rn(a, b) ((a) * (b))
#define __fadd_rn(a, b) ((a) + (b))
#define __fsub_rn(a, b) ((a) - (b))
#endif
#define MUL __fmul_rn
#define ADD __fadd_rn
#define SUB __fsub_rn

// The last parameter that begins at or before element i, which behind the last one may be more than an int holds.
__device__ __forceinline__ int parameter_of(const int* bounds, int count, u32 i) {
  int low = 0, high = count - 1;
  while (low < high) {
    int middle = (low + high + 1) / 2;
    if ((u32)bounds[2 * middle] <= i) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The gradient of parameter j: a choice between arguments, since an array of them would lie in memory.
#define GRADIENT(j)                                                                                              \
  (j < 8 ? (j < 4 ? (j < 2 ? (j < 1 ? g0 : g1) : (j < 3 ? g2 : g3)) : (j < 6 ? (j < 5 ? g4 : g5) : (j < 7 ? g6 : g7))) \
         : (j < 12 ? (j < 10 ? (j < 9 ? g8 : g9) : (j < 11 ? g10 : g11))                                        \
                   : (j < 14 ? (j < 13 ? g12 : g13) : (j < 15 ? g14 : g15))))

// m += c1 (g - m);  v = b2 v + c2 g^2;  p -= rate m / (sqrt v + eps);  before: p *= shrink, g += decay p.
// c1 = 1 - b1, c2 = 1 - b2; eps and rate hold the corrections for the start.  live: c1 ... rate (7).
extern "C" __global__ void adam(float* p, float* m, float* v, const int* bounds, int count, const float* g0 /*?*/,
                                const float* g1 /*?*/, const float* g2 /*?*/, const float* g3 /*?*/,
                                const float* g4 /*?*/, const float* g5 /*?*/, const float* g6 /*?*/,
                                const float* g7 /*?*/, const float* g8 /*?*/, const float* g9 /*?*/,
                                const float* g10 /*?*/, const float* g11 /*?*/, const float* g12 /*?*/,
                                const float* g13 /*?*/, const float* g14 /*?*/, const float* g15 /*?*/, float c1,
                                float b2, float c2, float decay, float shrink, float eps, float rate,
                                const float* live /*?*/) {
  u32 i = bounds[0] + blockIdx.x * blockDim.x + threadIdx.x, j = parameter_of(bounds, count, i);
  const float* from = GRADIENT(j);
  if (i >= bounds[2 * j + 1] || !from) return;
  if (live) {
    c1 = live[0];
    b2 = live[1];
    c2 = live[2];
    decay = live[3];
    shrink = live[4];
    eps = live[5];
    rate = live[6];
  }
  float w = MUL(p[i], shrink), g = from[i - bounds[2 * j]];
  if (decay != 0.f) g = ADD(g, MUL(decay, w));
  float mean = ADD(m[i], MUL(SUB(g, m[i]), c1)), square = ADD(MUL(v[i], b2), MUL(MUL(g, g), c2));
  m[i] = mean;
  v[i] = square;
  p[i] = SUB(w, MUL(mean / ADD(sqrtf(square), eps), rate));
}

// g += decay p;  b = keep b + take g;  p -= lr (g + ahead b), or lr b where ahead is 0; without b, p -= lr g.
// live: lr ... decay (5).
extern "C" __global__ void sgd(float* p, float* b /*?*/, const int* bounds, int count, const float* g0 /*?*/,
                               const float* g1 /*?*/, const float* g2 /*?*/, const float* g3 /*?*/,
                               const float* g4 /*?*/, const float* g5 /*?*/, const float* g6 /*?*/,
                               const float* g7 /*?*/, const float* g8 /*?*/, const float* g9 /*?*/,
                               const float* g10 /*?*/, const float* g11 /*?*/, const float* g12 /*?*/,
                               const float* g13 /*?*/, const float* g14 /*?*/, const float* g15 /*?*/, float lr,
                               float keep, float take, float ahead, float decay, const float* live /*?*/) {
  u32 i = bounds[0] + blockIdx.x * blockDim.x + threadIdx.x, j = parameter_of(bounds, count, i);
  const float* from = GRADIENT(j);
  if (i >= bounds[2 * j + 1] || !from) return;
  if (live) {
    lr = live[0];
    keep = live[1];
    take = live[2];
    ahead = live[3];
    decay = live[4];
  }
  float w = p[i], g = from[i - bounds[2 * j]];
  if (decay != 0.f) g = ADD(g, MUL(decay, w));
  if (b) {
    float s = ADD(MUL(b[i], keep), MUL(g, take));
    b[i] = s;
    g = ahead != 0.f ? ADD(g, MUL(ahead, s)) : s;
  }
  p[i] = SUB(w, MUL(g, lr));
}

// The gradients side by side, for optimisers without a kernel: out, at the places of their parameters.
extern "C" __global__ void gradient_gather(float* out, const int* bounds, int count, const float* g0 /*?*/,
                                           const float* g1 /*?*/, const float* g2 /*?*/, const float* g3 /*?*/,
                                           const float* g4 /*?*/, const float* g5 /*?*/, const float* g6 /*?*/,
                                           const float* g7 /*?*/, const float* g8 /*?*/, const float* g9 /*?*/,
                                           const float* g10 /*?*/, const float* g11 /*?*/, const float* g12 /*?*/,
                                           const float* g13 /*?*/, const float* g14 /*?*/, const float* g15 /*?*/) {
  u32 i = bounds[0] + blockIdx.x * blockDim.x + threadIdx.x, j = parameter_of(bounds, count, i);
  const float* from = GRADIENT(j);
  if (i < bounds[2 * j + 1] && from) out[i] = from[i - bounds[2 * j]];
}
