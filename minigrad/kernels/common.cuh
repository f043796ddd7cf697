// What every kernel can use: the launcher puts this file in front of each .cu, so that none of them includes anything.
// Blocks have a multiple of 32 threads; all threads of a block call what is named after it, and so with a warp.

typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef MG_EMU                              // the emulator of the tests brings its own of these four
// The block's shared memory, as much as the launch asked for: SMEM(name) makes name a float4*.
#define SMEM(name) extern __shared__ float4 name[]

// ---- thread-block clusters, compute 9.0 and newer; a kernel that uses one says __cluster_dims__(n, 1, 1)

// Which block of its cluster this one is: 0 ... n - 1.
__device__ __forceinline__ u32 cl_rank() {
  u32 r;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
  return r;
}
// A barrier of all threads of the cluster; what they stored before, also into each other's memory, is seen after it.
__device__ __forceinline__ void cl_sync() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// Store v where p points to, but in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ void cl_store4(float4* p, u32 rank, float4 v) {
  u32 here = (u32)__cvta_generic_to_shared(p), there;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
  asm volatile("st.shared::cluster.v4.f32 [%0], {%1,%2,%3,%4};"
               :: "r"(there), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w) : "memory");
}
#endif

// ---- sums and maxima, always in the same order: two runs give the same bits

// The sum of v over the warp, in every lane.
__device__ __forceinline__ float warp_sum(float v) {
  #pragma unroll
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(~0u, v, d);
  return v;
}
// The largest v of the warp, in every lane.
__device__ __forceinline__ float warp_max(float v) {
  #pragma unroll
  for (int d = 16; d; d >>= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, d));
  return v;
}
// The sum of v over the block, in every thread.  red: 32 floats of shared memory that nobody reads or writes since the
// last barrier, and nobody writes before the next one: two sums in a row take two places.
__device__ __forceinline__ float block_sum(float v, float* red) {
  v = warp_sum(v);
  if ((threadIdx.x & 31) == 0) red[threadIdx.x >> 5] = v;
  __syncthreads();
  v = red[0];
  for (u32 w = 1; w < blockDim.x >> 5; ++w) v += red[w];
  return v;
}
// Two sums at the price of one barrier.  red: 64 floats, as for block_sum.
__device__ __forceinline__ void block_sum2(float& a, float& b, float* red) {
  a = warp_sum(a);
  b = warp_sum(b);
  if ((threadIdx.x & 31) == 0) {
    red[threadIdx.x >> 5] = a;
    red[32 + (threadIdx.x >> 5)] = b;
  }
  __syncthreads();
  a = red[0];
  b = red[32];
  for (u32 w = 1; w < blockDim.x >> 5; ++w) {
    a += red[w];
    b += red[32 + w];
  }
}
// The largest v of the block, in every thread.  red: 32 floats, as for block_sum.
__device__ __forceinline__ float block_max(float v, float* red) {
  v = warp_max(v);
  if ((threadIdx.x & 31) == 0) red[threadIdx.x >> 5] = v;
  __syncthreads();
  v = red[0];
  for (u32 w = 1; w < blockDim.x >> 5; ++w) v = fmaxf(v, red[w]);
  return v;
}

// ---- functions

__device__ __forceinline__ float sigmoid(float v) { return 1.f / (1.f + expf(-v)); }

// ---- products of 4 rows at once, a float4 of one entry of each

// sum[i] += v of 4 rows times w[i], for 4 weights
__device__ __forceinline__ void add_products(float4 (&sum)[4], float4 v, const float (&w)[4]) {
  #pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum[i].x += v.x * w[i];
    sum[i].y += v.y * w[i];
    sum[i].z += v.z * w[i];
    sum[i].w += v.w * w[i];
  }
}

// The sum of COUNT float4 that stand `apart` from each other, the first one first.
template <int COUNT>
__device__ __forceinline__ float4 add_parts(const float4* parts, int apart) {
  float4 sum = parts[0];
  #pragma unroll
  for (int n = 1; n < COUNT; ++n) {
    const float4 p = parts[n * apart];
    sum.x += p.x;
    sum.y += p.y;
    sum.z += p.z;
    sum.w += p.w;
  }
  return sum;
}

// ---- memory

// Four weights. Parameters may lie anywhere in an optimiser's flat buffer, so a float4 may be cut in two.
__device__ __forceinline__ void take4(float* to, const float* p, bool aligned) {
  if (aligned) {
    const float4 v = *(const float4*)p;
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
    to[0] = p[0], to[1] = p[1], to[2] = p[2], to[3] = p[3];
  }
}
