"""The folder that graded code sees: NumPy, `minigrad.course`, stand-ins for plotting, and nothing else.

    site/numpy, numpy.libs       this environment's NumPy, by hard links where the file system allows
    site/minigrad                course.py and a package that refuses every other import
    site/matplotlib, ...         stand-ins that swallow every call: honest notebooks draw
    boot/                        worker.py and what it imports; closed before a student's code runs
    empty/                       bound over site-packages folders, to hide them

The environment itself must stay out: it holds the autograder, the reference solutions' way in, and with PyTorch or
minigrad.nn half the answers. A view lies in the user's cache under a key of its content, so it is built once.
"""

from __future__ import annotations

import atexit
import compileall
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

KEPT = 7 * 86400            # seconds after which a view that nobody uses is removed
BOOT = ("worker.py", "wire.py", "confine.py", "syscalls.py", "cells.py")
NO_NUMPY_PARTS = ("tests", "f2py", "include", "*.pyi", "*.a", "*.lib", "conftest.py")

MINIGRAD = '''"""minigrad as graded code sees it: `minigrad.course` alone."""

import sys
from importlib.abc import MetaPathFinder

MESSAGE = "graded code may import numpy only"


class _Refuse(MetaPathFinder):
    """Says why `import minigrad.nn` fails here; without it the message would be that there is no such module."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("minigrad.") and name != "minigrad.course":
            raise ImportError(MESSAGE, name=name)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(MESSAGE, name="minigrad." + name)


sys.meta_path.insert(0, _Refuse())
'''

STAND_IN = '''"""Stands in for a plotting library: every name exists, every call is swallowed, nothing is drawn."""


class Nothing:
    """Answers to everything with itself."""

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__") or name.startswith("_repr_") or name.startswith("_ipython_"):
            raise AttributeError(name)
        return KNOWN.get(name, self)

    def __getitem__(self, key):
        return self

    def __setitem__(self, key, value):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __bool__(self):
        return True

    def __repr__(self):
        return "(a drawing: nothing is drawn while grading)"


nothing = Nothing()


def subplots(nrows=1, ncols=1, *args, squeeze=True, **kwargs):
    """fig, ax = plt.subplots(2, 3) must unpack, and ax[0, 1] exist."""
    import numpy as np

    axes = np.empty((nrows, ncols), dtype=object)
    for index in np.ndindex(nrows, ncols):
        axes[index] = nothing
    if squeeze:
        axes = axes.squeeze()
    return nothing, axes if axes.ndim else nothing


KNOWN = {
    "subplots": subplots,
    "plot": lambda *args, **kwargs: [nothing],
    "hist": lambda *args, **kwargs: ([], [], nothing),
    "subplot_mosaic": lambda *args, **kwargs: (nothing, nothing),
    "get_xlim": lambda *args, **kwargs: (0.0, 1.0),
    "get_ylim": lambda *args, **kwargs: (0.0, 1.0),
    "display": lambda *args, **kwargs: None,
}


def lookup(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return KNOWN.get(name, nothing)
'''

STAND_IN_MODULE = '''"""Stands in for the library of this name; see standin.py."""

from standin import lookup as __getattr__
'''

STAND_INS = {
    "matplotlib": ("pyplot", "cm", "colors", "ticker", "gridspec", "patches", "lines", "animation", "figure", "style"),
    "mpl_toolkits": ("mplot3d", "axes_grid1"),
    "IPython": ("display",),
}


def build(cache: Path | None = None) -> Path:
    """The view's folder: found in the cache, or built there. `cache` replaces the user's cache folder.

    Where no cache can be written, the view is built in a temporary folder that goes when this process ends.
    """
    root = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "minigrad-autograder"
    view = root / f"view-{_key()}"
    try:
        if not (view / "boot").is_dir():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_old(root)
            _install(view, root)
        os.utime(view)
        return view
    except OSError:
        root = Path(tempfile.mkdtemp(prefix="autograder-view-"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        _install(root / view.name, root)
        return root / view.name


def _install(view: Path, root: Path) -> None:
    """Fill a folder beside `view` and rename it, so that another process never sees half a view."""
    work = Path(tempfile.mkdtemp(prefix="new-", dir=root))
    try:
        _fill(work)
        work.chmod(0o755)
        os.rename(work, view)
    except OSError:
        if not (view / "boot").is_dir():        # else another process was faster, with the same content
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(work: Path) -> None:
    site = work / "site"
    for folder in (site / "minigrad", work / "boot", work / "empty"):
        folder.mkdir(parents=True)
    numpy = _numpy()
    shutil.copytree(numpy, site / "numpy", copy_function=_link_or_copy, ignore=shutil.ignore_patterns(*NO_NUMPY_PARTS))
    for libraries in (numpy.with_name("numpy.libs"), numpy / ".dylibs"):
        if libraries.is_dir() and libraries.parent != numpy:
            shutil.copytree(libraries, site / libraries.name, copy_function=_link_or_copy)
    (site / "minigrad" / "__init__.py").write_text(MINIGRAD, encoding="utf-8")
    shutil.copyfile(_course(), site / "minigrad" / "course.py")
    (site / "standin.py").write_text(STAND_IN, encoding="utf-8")
    for package, modules in STAND_INS.items():
        (site / package).mkdir()
        for module in ("__init__", *modules):
            (site / package / f"{module}.py").write_text(STAND_IN_MODULE, encoding="utf-8")
    for name in BOOT:
        shutil.copyfile(Path(__file__).with_name(name), work / "boot" / name)
    compileall.compile_dir(work, quiet=2, workers=1)        # what pip compiled is linked already; this fills the gaps


def _link_or_copy(source: str, target: str) -> None:
    """A hard link costs nothing; across file systems, or where links are forbidden, a copy of about 70 MB it is."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


def _numpy() -> Path:
    spec = importlib.util.find_spec("numpy")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("NumPy is not installed")
    return Path(spec.origin).resolve().parent


def _course() -> Path:
    spec = importlib.util.find_spec("minigrad")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package minigrad is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "course.py"


def _key() -> str:
    """A digest of what is in the view: the same for the same NumPy, Python and files of ours."""
    numpy = _numpy()
    digest = hashlib.sha256()
    version = numpy / "version.py"
    for part in (sys.version, sys.implementation.cache_tag, numpy, version.read_text(), version.stat().st_mtime_ns,
                 MINIGRAD, STAND_IN, STAND_IN_MODULE, STAND_INS, NO_NUMPY_PARTS):
        digest.update(repr(part).encode())
    for path in (_course(), *(Path(__file__).with_name(name) for name in BOOT)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _remove_old(root: Path) -> None:
    for old in (*root.glob("view-*"), *root.glob("new-*")):
        if time.time() - old.stat().st_mtime > KEPT:
            shutil.rmtree(old, ignore_errors=True)
