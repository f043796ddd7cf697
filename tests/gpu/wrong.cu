// Kernels for the tests of the emulator: one right, the others wrong in one way each.
// macros: N=64
extern "C" __global__ void turned(const float* x, float* y) {
  SMEM(sm);
  float* s = (float*)sm;
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[N - 1 - threadIdx.x] + warp_sum(1.f);
}
extern "C" __global__ void beyond_the_end(const float* x, float* y) { y[threadIdx.x + 1] = x[threadIdx.x]; }
extern "C" __global__ void into_const(const float* x, float* y) { ((float*)x)[threadIdx.x] = 1.f; }
extern "C" __global__ void beyond_shared(const float* x, float* y) {
  SMEM(sm);
  ((float*)sm)[threadIdx.x + 1] = x[threadIdx.x];
}
extern "C" __global__ void half_a_barrier(const float* x, float* y /*?*/) {
  if (threadIdx.x < N / 2) __syncthreads();
  else { __syncthreads(); __syncthreads(); }
}
