/* cuBLAS's interface on host memory: column-major products by the definition, and the refusals of the real one.
 *
 * `matmul` of minigrad/blas.py is tested with it: every argument that crosses ctypes is used as cuBLAS would use it.
 * A status is what cuBLAS documents: 1 not initialised, 7 invalid value, 14 a product without a workspace. */
#include <stddef.h>

enum { R_32F = 0, R_64F = 1, COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_32F_FAST_TF32 = 77, ALGO_DEFAULT = -1 };

static int magic;
static struct { void *stream, *workspace; size_t bytes; long streams, products, stacks, tf32; int fail; } state;

void fake_reset(void) { state.stream = state.workspace = 0; state.streams = state.products = state.stacks = state.tf32 = 0;
                        state.fail = 0; }
void fake_fail(int status) { state.fail = status; }
long fake_count(int what) { return what == 0 ? state.products : what == 1 ? state.stacks : what == 2 ? state.streams
                                   : state.tf32; }
size_t fake_workspace(void) { return state.workspace ? state.bytes : 0; }

int cublasCreate_v2(void **handle) { *handle = &magic; return 0; }

int cublasSetStream_v2(void *handle, void *stream) {
    if (handle != &magic) return 1;
    state.stream = stream;
    state.workspace = 0;                       /* as the real one does */
    state.streams++;
    return 0;
}

int cublasSetWorkspace_v2(void *handle, void *workspace, size_t bytes) {
    if (handle != &magic) return 1;
    if (!workspace || (size_t)workspace % 16) return 7;
    state.workspace = workspace;
    state.bytes = bytes;
    return 0;
}

static double get(const void *x, int type, long long i) {
    return type == R_32F ? ((const float *)x)[i] : ((const double *)x)[i];
}

static int gemm(int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int at, int lda, const void *b,
                int bt, int ldb, const void *beta, void *c, int ct, int ldc, int compute, int algo) {
    int real = compute == COMPUTE_64F ? R_64F : R_32F;
    if (ta < 0 || ta > 1 || tb < 0 || tb > 1 || m < 0 || n < 0 || k < 0 || !alpha || !beta) return 7;
    if (lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1) return 7;
    if (algo != ALGO_DEFAULT || at != real || bt != real || ct != real) return 7;
    if (compute != COMPUTE_32F && compute != COMPUTE_64F && compute != COMPUTE_32F_FAST_TF32) return 7;
    state.tf32 += compute == COMPUTE_32F_FAST_TF32;
    double s = get(alpha, real, 0), old = get(beta, real, 0);
    for (long long j = 0; j < n; j++)
        for (long long i = 0; i < m; i++) {
            double sum = 0;
            for (long long l = 0; l < k; l++)
                sum += get(a, at, ta ? l + i * lda : i + l * lda) * get(b, bt, tb ? j + l * ldb : l + j * ldb);
            double y = s * sum + (old != 0 ? old * get(c, ct, i + j * ldc) : 0);
            if (ct == R_32F) ((float *)c)[i + j * ldc] = (float)y;
            else ((double *)c)[i + j * ldc] = y;
        }
    return 0;
}

static int ready(void *handle) { return state.fail ? state.fail : handle != &magic ? 1 : !state.workspace ? 14 : 0; }

int cublasGemmEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int at, int lda,
                 const void *b, int bt, int ldb, const void *beta, void *c, int ct, int ldc, int compute, int algo) {
    int status = ready(handle);
    state.products++;
    return status ? status : gemm(ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, compute, algo);
}

int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                               int at, int lda, long long sa, const void *b, int bt, int ldb, long long sb,
                               const void *beta, void *c, int ct, int ldc, long long sc, int count, int compute,
                               int algo) {
    int status = ready(handle);
    size_t size = ct == R_32F ? sizeof(float) : sizeof(double);
    state.stacks++;
    if (count < 0 || sa < 0 || sb < 0 || (count > 1 && sc == 0)) return 7;
    for (long long i = 0; i < count && !status; i++)
        status = gemm(ta, tb, m, n, k, alpha, (const char *)a + i * sa * size, at, lda, (const char *)b + i * sb * size,
                      bt, ldb, beta, (char *)c + i * sc * size, ct, ldc, compute, algo);
    return status;
}
