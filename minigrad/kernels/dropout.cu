// Dropout: y = x m, where m is 0 or `scale` by Philox4x32-10. Layout and bits are those of minigrad/philox.py.
//
// A thread makes one block of four words. No mask is stored: the backward pass is the same launch on the gradient.

__device__ __forceinline__ void philox(u64 block, u64 key, u32& c0, u32& c1, u32& c2, u32& c3) {
  u32 k0 = (u32)key, k1 = (u32)(key >> 32);
  c0 = (u32)block;
  c1 = (u32)(block >> 32);
  c2 = c3 = 0;
  #pragma unroll
  for (int r = 0; r < 10; ++r) {
    u64 p0 = (u64)0xD2511F53u * c0, p1 = (u64)0xCD9E8D57u * c2;
    c0 = (u32)(p1 >> 32) ^ c1 ^ k0;
    c1 = (u32)p1;
    c2 = (u32)(p0 >> 32) ^ c3 ^ k1;
    c3 = (u32)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

// x, y (n).  key_at: where the key stands, if it changes from replay to replay of a graph.
extern "C" __global__ void dropout(const float* x, float* y, long long n, unsigned long long key,
                                   const unsigned long long* key_at /*?*/, unsigned int threshold, float scale) {
  long long block = (long long)blockIdx.x * blockDim.x + threadIdx.x, i = 4 * block;
  if (i >= n) return;
  u32 c0, c1, c2, c3;
  philox(block, key_at ? *key_at : key, c0, c1, c2, c3);
  float m0 = c0 >= threshold ? scale : 0.f, m1 = c1 >= threshold ? scale : 0.f;
  float m2 = c2 >= threshold ? scale : 0.f, m3 = c3 >= threshold ? scale : 0.f;
  if (i + 4 <= n && (((u64)x | (u64)y) & 15) == 0) {          // a view may begin at any float
    float4 v = ((const float4*)x)[block];
    ((float4*)y)[block] = make_float4(v.x * m0, v.y * m1, v.z * m2, v.w * m3);
  } else {
    y[i] = x[i] * m0;
    if (i + 1 < n) y[i + 1] = x[i + 1] * m1;
    if (i + 2 < n) y[i + 2] = x[i + 2] * m2;
    if (i + 3 < n) y[i + 3] = x[i + 3] * m3;
  }
}
