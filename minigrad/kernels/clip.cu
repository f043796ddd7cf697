// The norm of all gradients together, and their scaling: one launch of each for up to 16 gradients, and no
// wait for the host.

// The elements of a thread: an embedding's gradient can have more of them than an int counts.
#define EACH(j) for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n##j; i += step)
#define SQUARES(j) EACH(j) sum += g##j[i] * g##j[i];
#define SCALED(j) EACH(j) g##j[i] *= by;

// parts[offset + block] = the sum of squares of the elements that this block of `blocks` reads, 256 threads a block.
// g0 ... g15 of n0 ... n15 elements.
extern "C" __global__ void gradient_squares(float* parts, int offset, int blocks, const float* g0 /*?*/,
                                            const float* g1 /*?*/, const float* g2 /*?*/, const float* g3 /*?*/,
                                            const float* g4 /*?*/, const float* g5 /*?*/, const float* g6 /*?*/,
                                            const float* g7 /*?*/, const float* g8 /*?*/, const float* g9 /*?*/,
                                            const float* g10 /*?*/, const float* g11 /*?*/, const float* g12 /*?*/,
                                            const float* g13 /*?*/, const float* g14 /*?*/, const float* g15 /*?*/,
                                            long long n0, long long n1, long long n2, long long n3, long long n4,
                                            long long n5, long long n6, long long n7, long long n8, long long n9,
                                            long long n10, long long n11, long long n12, long long n13, long long n14,
                                            long long n15) {
  SMEM(sm);
  float sum = 0.f;
  int step = blocks * blockDim.x;
  SQUARES(0)
  SQUARES(1)
  SQUARES(2)
  SQUARES(3)
  SQUARES(4)
  SQUARES(5)
  SQUARES(6)
  SQUARES(7)
  SQUARES(8)
  SQUARES(9)
  SQUARES(10)
  SQUARES(11)
  SQUARES(12)
  SQUARES(13)
  SQUARES(14)
  SQUARES(15)
  sum = block_sum(sum, (float*)sm);
  if (threadIdx.x == 0) parts[offset + blockIdx.x] = sum;
}

// out = (the root of the sum of n parts, the factor min(1, largest / (norm + 1e-6))), by one block.
extern "C" __global__ void gradient_norm(const float* parts, int n, float largest, float* out) {
  SMEM(sm);
  float sum = 0.f;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum, (float*)sm);
  if (threadIdx.x == 0) {
    float root = sqrtf(sum), factor = largest / (root + 1e-6f);
    out[0] = root;
    out[1] = factor > 1.f ? 1.f : factor;    // fminf would hide a NaN
  }
}

// Each gradient times factor[0]; a factor of 1 reads and writes nothing.
extern "C" __global__ void gradient_scale(const float* factor, float* g0 /*?*/, float* g1 /*?*/, float* g2 /*?*/,
                                          float* g3 /*?*/, float* g4 /*?*/, float* g5 /*?*/, float* g6 /*?*/,
                                          float* g7 /*?*/, float* g8 /*?*/, float* g9 /*?*/, float* g10 /*?*/,
                                          float* g11 /*?*/, float* g12 /*?*/, float* g13 /*?*/, float* g14 /*?*/,
                                          float* g15 /*?*/, long long n0, long long n1, long long n2, long long n3,
                                          long long n4, long long n5, long long n6, long long n7, long long n8,
                                          long long n9, long long n10, long long n11, long long n12, long long n13,
                                          long long n14, long long n15) {
  float by = factor[0];
  if (by == 1.f) return;
  int step = gridDim.x * blockDim.x;
  SCALED(0)
  SCALED(1)
  SCALED(2)
  SCALED(3)
  SCALED(4)
  SCALED(5)
  SCALED(6)
  SCALED(7)
  SCALED(8)
  SCALED(9)
  SCALED(10)
  SCALED(11)
  SCALED(12)
  SCALED(13)
  SCALED(14)
  SCALED(15)
}
