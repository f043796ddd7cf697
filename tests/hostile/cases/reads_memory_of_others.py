"""ptrace and the calls that read another process's memory."""

from tests.hostile.case import Case

CASE = Case(
    "reading processes",
    firsts="""
def firsts(n):
    import ctypes
    import os
    libc = ctypes.CDLL(None, use_errno=True)
    class Part(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    buffer = ctypes.create_string_buffer(64)
    part = Part(ctypes.addressof(buffer), 64)
    got = [f(pid, ctypes.byref(part), 1, ctypes.byref(part), 1, 0) for pid in (os.getppid(), int("<PID>"))
           for f in (libc.process_vm_readv, libc.process_vm_writev)]
    got += [libc.ptrace(request, os.getppid(), 0, 0) for request in (16, 0x4206)]
    return [i * i for i in range(n)] if max(got) < 0 else [-1]
""",
)
