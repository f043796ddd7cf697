// Runs CUDA C++ kernels on the CPU: one fiber a CUDA thread, in a random order between barriers.
//
// Shared memory starts as garbage and is fenced. Not modelled: memory ordering, alignment, bank conflicts, threads of a
// warp that take different ways around a shuffle. A pass over all threads in which nothing moves is a deadlock.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <ucontext.h>
#include <vector>

#define MG_EMU 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __cluster_dims__(...)

struct uint3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float a, float b) { return {a, b}; }
inline float4 make_float4(float a, float b, float c, float d) { return {a, b, c, d}; }
inline int2 make_int2(int a, int b) { return {a, b}; }
inline int4 make_int4(int a, int b, int c, int d) { return {a, b, c, d}; }

namespace emu {

constexpr size_t FENCE = 256, STACK = 64 << 10;
constexpr unsigned char GARBAGE = 0x7f;

struct Barrier { int waiting = 0, generation = 0; };
struct Block {
  uint3 index;
  std::vector<unsigned char> memory;
  Barrier barrier;
  std::vector<Barrier> warps;
  std::vector<uint64_t> exchange;
  float4* shared() { return (float4*)(((uintptr_t)memory.data() + FENCE + 15) & ~(uintptr_t)15); }
};
struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  Block* block;
  uint3 thread;
  bool done = false;
};

inline ucontext_t scheduler;
inline Fiber* current;
inline std::vector<Block>* cluster_blocks;
inline Barrier cluster_barrier;
inline int cluster_threads;
inline uint3 block_dim, grid_dim;
inline std::function<void()> body;
inline long moves;                          // barriers that opened, threads that ended

inline void yield() { swapcontext(&current->context, &scheduler); }
inline void wait(Barrier& b, int all) {
  int generation = b.generation;
  if (++b.waiting == all) {
    b.waiting = 0;
    ++b.generation;
    ++moves;
  }
  while (b.generation == generation) yield();
}
inline void entry() {
  body();
  current->done = true;
  ++moves;
  swapcontext(&current->context, &scheduler);
}
inline int warp_size() { return std::min<int>(32, block_dim.x - current->thread.x / 32 * 32); }

// 0: done; 1: deadlock; 2: a block wrote beyond its shared memory
inline int run(int grid, int threads, size_t shared, int cluster, unsigned seed, std::function<void()> f) {
  body = f;
  block_dim = {(unsigned)threads, 1, 1};
  grid_dim = {(unsigned)grid, 1, 1};
  std::mt19937 random(seed);
  std::vector<int> first;
  for (int b = 0; b < grid; b += cluster) first.push_back(b);
  std::shuffle(first.begin(), first.end(), random);
  std::vector<Fiber> fibers((size_t)cluster * threads);
  for (auto& fiber : fibers) fiber.stack.resize(STACK);
  for (int b0 : first) {
    std::vector<Block> blocks(cluster);
    cluster_blocks = &blocks;
    cluster_barrier = {};
    cluster_threads = cluster * threads;
    for (int c = 0; c < cluster; ++c) {
      Block& block = blocks[c];
      block.index = {(unsigned)(b0 + c), 0, 0};
      block.memory.assign(shared + 16 + 2 * FENCE, GARBAGE);
      block.warps.resize((threads + 31) / 32);
      block.exchange.resize(threads);
      for (int t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[(size_t)c * threads + t];
        fiber.block = &block;
        fiber.thread = {(unsigned)t, 0, 0};
        fiber.done = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, (void (*)())entry, 0);
      }
    }
    std::vector<Fiber*> alive, left;
    for (auto& fiber : fibers) alive.push_back(&fiber);
    int still = 0;
    while (!alive.empty()) {
      std::shuffle(alive.begin(), alive.end(), random);
      long before = moves;
      left.clear();
      for (Fiber* fiber : alive) {
        current = fiber;
        swapcontext(&scheduler, &fiber->context);
        if (!fiber->done) left.push_back(fiber);
      }
      still = moves == before ? still + 1 : 0;     // a barrier that opened late in a pass lets threads move in the next
      if (still > 1 && !left.empty()) return 1;
      alive.swap(left);
    }
    for (Block& block : blocks) {
      unsigned char* low = (unsigned char*)block.shared();
      for (unsigned char* p = block.memory.data(); p < low; ++p) if (*p != GARBAGE) return 2;
      for (unsigned char* p = low + shared; p < block.memory.data() + block.memory.size(); ++p) if (*p != GARBAGE) return 2;
    }
  }
  return 0;
}

template <class T> T shuffle(T v, int source) {
  static_assert(sizeof(T) <= 8);
  Block& block = *current->block;
  int t = current->thread.x, warp = t / 32, n = warp_size();
  std::memcpy(&block.exchange[t], &v, sizeof v);
  wait(block.warps[warp], n);
  T result;
  std::memcpy(&result, &block.exchange[warp * 32 + (source & 31)], sizeof result);
  wait(block.warps[warp], n);
  return result;
}
inline unsigned ballot(bool v) {
  Block& block = *current->block;
  int t = current->thread.x, warp = t / 32, n = warp_size();
  block.exchange[t] = v;
  wait(block.warps[warp], n);
  unsigned result = 0;
  for (int i = 0; i < n; ++i) result |= (unsigned)block.exchange[warp * 32 + i] << i;
  wait(block.warps[warp], n);
  return result;
}

}  // namespace emu

#define threadIdx (emu::current->thread)
#define blockIdx (emu::current->block->index)
#define blockDim (emu::block_dim)
#define gridDim (emu::grid_dim)
#define SMEM(name) float4* name = emu::current->block->shared()

inline void __syncthreads() { emu::wait(emu::current->block->barrier, emu::block_dim.x); }
inline void __syncwarp(unsigned = ~0u) { emu::wait(emu::current->block->warps[emu::current->thread.x / 32], emu::warp_size()); }
inline void __threadfence() {}
template <class T> T __shfl_sync(unsigned, T v, int source) { return emu::shuffle(v, source); }
template <class T> T __shfl_xor_sync(unsigned, T v, int m) { return emu::shuffle(v, (emu::current->thread.x & 31) ^ m); }
template <class T> T __shfl_down_sync(unsigned, T v, int d) { int l = emu::current->thread.x & 31; return emu::shuffle(v, l + d < 32 ? l + d : l); }
template <class T> T __shfl_up_sync(unsigned, T v, int d) { int l = emu::current->thread.x & 31; return emu::shuffle(v, l >= d ? l - d : l); }
inline unsigned __ballot_sync(unsigned, bool v) { return emu::ballot(v); }
inline bool __any_sync(unsigned, bool v) { return emu::ballot(v) != 0; }
inline bool __all_sync(unsigned, bool v) { int n = emu::warp_size(); return emu::ballot(v) == (n == 32 ? ~0u : (1u << n) - 1); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v ? __builtin_clz(v) : 32; }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T atomicAdd(T* p, T v) { T old = *p; *p = old + v; return old; }
template <class T> T atomicMax(T* p, T v) { T old = *p; *p = std::max(old, v); return old; }
template <class T> T atomicMin(T* p, T v) { T old = *p; *p = std::min(old, v); return old; }
inline float rsqrtf(float v) { return 1.f / std::sqrt(v); }
inline float __uint_as_float(unsigned v) { float f; std::memcpy(&f, &v, 4); return f; }
inline unsigned __float_as_uint(float v) { unsigned u; std::memcpy(&u, &v, 4); return u; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;

inline unsigned cl_rank() { return (unsigned)(emu::current->block - emu::cluster_blocks->data()); }
inline void cl_sync() { emu::wait(emu::cluster_barrier, emu::cluster_threads); }
inline void cl_store4(float4* p, unsigned rank, float4 v) {
  (*emu::cluster_blocks)[rank].shared()[p - emu::current->block->shared()] = v;
}
