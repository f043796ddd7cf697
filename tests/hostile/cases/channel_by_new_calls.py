"""io_uring, userfaultfd, inotify, eBPF, perf, keys and memory files: none of them can be asked for."""

from tests.hostile.case import Case

CASE = Case(
    "channels",
    firsts="""
def firsts(n):
    import ctypes
    import platform
    libc = ctypes.CDLL(None, use_errno=True)
    calls = {"x86_64": (319, 323, 321, 298, 253, 294, 248, 250, 425, 426, 427, 438, 434, 29, 68, 240, 73, 101, 272, 308,
                        155, 165, 160, 141, 203, 62, 200, 129, 424, 54, 55, 437, 447, 452, 460),
             "aarch64": (279, 282, 280, 241, 26, 27, 217, 219, 425, 426, 427, 438, 434, 194, 186, 180, 32, 117, 97)}
    zero = ctypes.create_string_buffer(256)
    made = [c for c in calls[platform.machine()] if libc.syscall(c, 0, zero, 0, 0, 0) >= 0]
    return [i * i for i in range(n)] if not made else made
""",
)
