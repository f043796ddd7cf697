/* The driver's question for clusters: CUlaunchConfig and the function as cuda.h declares them, so that every field which
 * crosses ctypes is read where the driver reads it. */
typedef void *CUstream;
typedef struct CUlaunchConfig_st {
    unsigned gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
    CUstream hStream;
    void *attrs;
    unsigned numAttrs;
} CUlaunchConfig;

static struct { int status, clusters; long calls, function, config[10]; } state;

void fake_answer(int status, int clusters) { state.status = status; state.clusters = clusters; state.calls = 0; }
long fake_calls(void) { return state.calls; }
long fake_function(void) { return state.function; }
long fake_config(int field) { return state.config[field]; }

int cuOccupancyMaxActiveClusters(int *clusters, void *function, const CUlaunchConfig *c) {
    const long config[10] = {c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ,
                             c->sharedMemBytes, (long)c->hStream, (long)c->attrs, c->numAttrs};
    for (int i = 0; i < 10; ++i) state.config[i] = config[i];
    state.function = (long)function;
    state.calls++;
    if (!state.status) *clusters = state.clusters;
    return state.status;
}
