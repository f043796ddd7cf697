"""Independent parts of a node on several Python threads: off unless asked for.

    from minigrad.nn.fused import threads
    threads.use(2)

NumPy's ufuncs run on one core while BLAS takes all of them; both release the interpreter's lock, so halves of a batch
can run side by side. It pays for the attention nodes, from about 20 us a call, and only where BLAS's own workers sleep
between products: they spin by default and keep the core busy. OPENBLAS_THREAD_TIMEOUT=18, set before NumPy is imported,
makes them sleep soon.
"""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_count = 1
_pool: ThreadPoolExecutor | None = None


def use(count: int) -> None:
    """Work on so many threads from now on; 1 is the start, and takes them back.  Raises ValueError below 1."""
    global _count, _pool
    if count < 1:
        raise ValueError(f"{count} threads: at least one has to work")
    if _pool is not None:
        _pool.shutdown()
    _count, _pool = count, ThreadPoolExecutor(count - 1) if count > 1 else None


def count() -> int:
    """How many threads work."""
    return _count


def parts(work: Callable[[int, int], None], n: int, least: int = 1) -> None:
    """work(start, stop) over 0 ... n: at once, or in as many parts as there are threads, each of `least` or more."""
    k = min(_count, n // least) or 1
    if k == 1 or _pool is None:
        return work(0, n)
    cuts = [n * i // k for i in range(k + 1)]
    jobs = [_pool.submit(work, a, b) for a, b in zip(cuts[1:-1], cuts[2:], strict=True)]
    work(0, cuts[1])
    for job in jobs:
        job.result()
