"""The tables of honest.py: what right code can be written as, wrapped in, surrounded by and handed over as.

{f} is the graded function's name, {f_old} that of the function inside, {p} its parameters, r a result, {a} an argument.
"""

from __future__ import annotations

from collections.abc import Callable

PRODUCTS = {
    "np.matmul(a, b)": "",
    "{f}_times(a, b)": "def {f}_times(a, b):\n"
                       "    return np.dot(a, b) if a.ndim < 3 and b.ndim < 3 else np.matmul(a, b)",
    "{f}_product(a, b)": "def {f}_product(left, right):\n    if left.ndim == right.ndim == 2:\n"
                     "        return np.einsum('ik,kj->ij', left, right)\n    return left @ right",
    "{f}_rows(a, b)": "def {f}_rows(a, b):\n    if a.ndim == b.ndim == 2 and 0 < len(a) <= 8:\n"
                  "        return np.array([row @ b for row in a])\n    return a @ b",
    "{f}_halves(a, b)": "def {f}_halves(a, b):\n    m = a.shape[-1] // 2\n    if b.ndim != 2 or not m:\n"
                         "        return a @ b\n"
                    "    return a[..., :m] @ b[:m] + a[..., m:] @ b[m:]",
    "{f}_pairs(a, b)": "def {f}_pairs(a, b):\n    if a.ndim == b.ndim == 2 and a.size * b.shape[1] < 5000:\n"
                   "        return (a[:, :, None] * b[None]).sum(axis=1)\n    return a @ b",
    "{f}_turned(a, b)": "def {f}_turned(a, b):\n    return (b.T @ a.T).T if a.ndim == b.ndim == 2 else a @ b",
    "{f}_long_way(a, b)": "def {f}_long_way(a, b):\n    if a.ndim != 2 or b.ndim != 2 or a.size * b.shape[1] > 400:\n"
                      "        return a @ b\n    out = np.zeros((a.shape[0], b.shape[1]), np.result_type(a, b))\n"
                      "    for i in range(a.shape[0]):\n        for j in range(b.shape[1]):\n"
                      "            for k in range(a.shape[1]):\n                out[i, j] += a[i, k] * b[k, j]\n"
                      "    return out",
}

# Pairs of expressions that are the same; A is a name or an attribute of an array argument.
SAME: list[tuple[str, str]] = [
    ("x ** 2", "x * x"), ("x ** 2", "np.square(x)"), ("np.tanh(x)", "(np.exp(-2 * abs(x)) - 1) / "
     "(np.exp(-2 * abs(x)) + 1) * -np.sign(x)"), ("np.stack(x)", "np.array(x)"), ("A.T", "np.transpose(A)"),
    ("A.T", "A.transpose()"), ("np.zeros_like(x)", "np.zeros(x.shape, dtype=x.dtype)"), ("np.zeros_like(x)", "0 * x"),
    ("np.concatenate(x, axis=1)", "np.hstack(x)"), ("np.sqrt(x)", "np.power(x, 0.5)"), ("len(A)", "A.shape[0]"),
    ("np.swapaxes(x, -1, -2)", "np.moveaxis(x, -1, -2)"), ("A.copy()", "np.array(A)"),
    ("reversed(range(n))", "range(n)[::-1]"), ("np.maximum(x, 0)", "np.where(x > 0, x, 0)"),
    ("np.exp(x)", "np.exp2(x / np.log(2))"), ("float(x)", "np.float64(x)"), ("int(x)", "np.int64(x)"),
    ("sigmoid(x)", "0.5 * (1 + np.tanh(0.5 * (x)))"), ("1 - y", "-y + 1"), ("np.argmax(x)", "x.argmax()"),
    ("np.empty_like(x)", "np.zeros_like(x)"), ("np.mean(x)", "np.average(x)"), ("np.outer(a, b)", "a[:, None] * b"),
    ("x / n", "x * (1 / n)"), ("np.arange(n)", "np.array(range(n))"), ("np.eye(n)", "np.diag(np.ones(n))"),
]

WRAPS = {
    "nested": "def {f}({p}):\n    def inner({p}):\n        return {f_old}({p})\n    return inner({p})",
    "helper": "def {f}({p}):\n    return {f_old}({p})",
    "lambda": "{f} = lambda {p}: {f_old}({p})",
    "stars": "def {f}(*arguments):\n    return {f_old}(*arguments)",
    "partial": "import functools\n{f} = functools.partial({f_old})",
    "object": "class Step_{f}:\n    count = 0\n    def __call__(self, {p}):\n        Step_{f}.count += 1\n"
              "        return {f_old}({p})\n{f} = Step_{f}()",
    "static": "class Tools_{f}:\n    @staticmethod\n    def run({p}):\n"
              "        return {f_old}({p})\n{f} = Tools_{f}.run",
    "timed": "import functools, time\ndef timed(function):\n    @functools.wraps(function)\n"
             "    def wrapper(*args, **how):\n        begin = time.perf_counter()\n"
             "        result = function(*args, **how)\n        wrapper.seconds = time.perf_counter() - begin\n"
             "        return result\n    return wrapper\n@timed\ndef {f}({p}):\n    return {f_old}({p})",
    "counted": "CALLS_{f} = {{'n': 0}}\ndef {f}({p}):\n    CALLS_{f}['n'] += 1\n    return {f_old}({p})",
    "global": "LAST_{f} = None\ndef {f}({p}):\n    global LAST_{f}\n    LAST_{f} = ({p},)\n    return {f_old}({p})",
    "options": "def {f}({p}, *, verbose=False, tiny=1e-12):\n    if verbose:\n        print({p})\n"
               "    return {f_old}({p})",
    "positional": "def {f}({p}, /):\n    return {f_old}({p})",
    "tried": "def {f}({p}):\n    try:\n        return {f_old}({p})\n    except ZeroDivisionError:\n        raise\n"
             "    finally:\n        pass",
    "quietly": "def {f}({p}):\n    with np.errstate(all='ignore'):\n        return {f_old}({p})",
    "first_wrong": "def {f}({p}):\n    return None\n\ndef {f}({p}):\n    '''second attempt'''\n    return {f_old}({p})",
    "alias": "{f} = {f_old}",
    "thread": "from concurrent.futures import ThreadPoolExecutor\ndef {f}({p}):\n"
              "    with ThreadPoolExecutor(1) as pool:\n        return pool.submit({f_old}, {p}).result()",
    "generator": "def {f}({p}):\n    def steps():\n        yield {f_old}({p})\n    return next(steps())",
    "deque": "from collections import deque\ndef {f}({p}):\n    queue = deque([({p},)])\n"
             "    return {f_old}(*queue.popleft())",
    "slots": "from dataclasses import dataclass\n@dataclass\nclass Result_{f}:\n    value: object\n"
             "def {f}({p}):\n    return Result_{f}({f_old}({p})).value",
    "memo": "SEEN_{f} = {{}}\ndef {f}({p}):\n    key = repr([(a.tobytes(), a.shape, a.dtype.str) if isinstance(a, "
            "np.ndarray) else repr(a) for a in ({p},)])\n    if key not in SEEN_{f}:\n"
            "        SEEN_{f}[key] = {f_old}({p})\n    return copy.deepcopy(SEEN_{f}[key])\nimport copy",
}

NOISE = {
    "prints": "print('here', {p})",
    "prints_to_stderr": "import sys\nprint('shape?', file=sys.stderr)",
    "writes_to_stderr": "import sys\nsys.stderr.write('careful\\n')\nsys.stderr.flush()",
    "warns": "import warnings\nwarnings.warn('a warning of my own')",
    "logs": "import logging\nlogging.warning('called')\nlogging.getLogger('mine').error('an error message')",
    "overflows": "import numpy\nnumpy.exp(numpy.array([1000.0]))\nnumpy.array([1.0]) / 0",
    "draws": "import random\nrandom.seed(0)\nnp.random.seed(0)\nnp.random.rand(3)",
    "looks_at_the_time": "import time\nbegan = time.time()",
    "asserts": "assert True, 'never'",
    "throws_and_catches": "try:\n    1 / 0\nexcept ZeroDivisionError as problem:\n    text = str(problem)",
    "computes_in_vain": "squares = [i * i for i in range(10)]\ndel squares",
    "decimal_commas": "print(f'{{3.14:.2f}} äöü 数 \\N{{SNOWMAN}}', end='')",
    "prints_a_lot": "print('x' * 3000)",
    "display": "display({p})",
    "warning_filter": "import warnings\nwarnings.simplefilter('error', DeprecationWarning)",
    "collects_garbage": "import gc\ngc.collect(0)",
    "writes_a_file": "with open('notes.txt', 'a') as notes:\n    notes.write('called')",
    "saves_an_array": "np.savetxt('a.txt', np.ones(2))\nnp.loadtxt('a.txt')",
    "tests_itself": "np.testing.assert_allclose([1.0], [1.0])",
    "tries_tqdm": "try:\n    from tqdm import tqdm\nexcept ImportError:\n    def tqdm(items, **how):\n"
                  "        return items\nfor _ in tqdm(range(2)):\n    pass",
    "tries_torch": "try:\n    import torch\nexcept Exception as problem:\n    print('no torch:', problem)",
    "ipython": "from IPython.display import display, Markdown, HTML, clear_output\ndisplay(Markdown('**here**'))",
    "standard_library": "import math, itertools, functools, collections, random, time, os, sys, re, json, copy, "
                        "typing, operator, statistics, heapq, bisect, string, dataclasses, enum, abc, contextlib, "
                        "pprint, timeit, textwrap, warnings, logging, traceback, inspect, pathlib, datetime, "
                        "fractions, decimal, numbers, types, io, csv, pickle, unittest, doctest, tempfile, glob, "
                        "shutil, argparse, threading, concurrent.futures, queue, uuid, hashlib, base64, struct, "
                        "array, cmath",
    "numpy_parts": "import numpy.linalg as la\nfrom numpy.typing import NDArray\nimport numpy.random as npr\n"
                   "from numpy.lib.stride_tricks import sliding_window_view\nimport numpy.fft, numpy.testing",
    "plots": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('here')\nplt.show()",
    "print_options": "np.set_printoptions(precision=3, suppress=True)",
    "recursion_limit": "import sys\nsys.setrecursionlimit(20000)",
    "doctest": "import doctest\ndoctest.run_docstring_examples(len, {{}})",
    "environment": "import os\nos.environ['OMP_NUM_THREADS'] = '2'\nprint(os.getcwd(), len(os.listdir('.')))",
    "course": "from minigrad import course\ncourse.progress()",
}

TIDY = {
    "fortran": "np.asfortranarray(r) if r.ndim else r",
    "contiguous": "np.ascontiguousarray(r) if r.ndim else r",
    "copied": "r.copy()",
    "as_array": "np.asarray(r)",
    "backwards": "r[::-1].copy()[::-1] if r.ndim else r",
    "turned": "r.T.copy().T",
    "part_of_a_larger_one": "np.concatenate([r, r])[:len(r)] if r.ndim else r",
    "every_second": "np.repeat(r, 2, axis=-1)[..., ::2] if r.ndim else r",
    "read_only": "np.broadcast_to(r, r.shape)",
    "plus_zero": "r + np.zeros((), r.dtype) if r.dtype.kind == 'f' else r",
    "by_tolist": "np.array(r.tolist(), dtype=r.dtype).reshape(r.shape)",
    "by_bytes": "np.frombuffer(r.tobytes(), r.dtype).reshape(r.shape)",
    "widened": "r.astype(np.float64) if r.dtype == np.float32 else r",
    "big_endian": "r.astype(r.dtype.newbyteorder('>'))",
}

INPUTS = {
    "copied": "{a} = {a}.copy()",
    "as_array": "{a} = np.asarray({a})",
    "in_fortran_order": "{a} = np.array({a}, order='F')",
    "in_float64": "{a} = {a}.astype(np.float64) if {a}.dtype.kind == 'f' else {a}",
    "backwards_twice": "{a} = {a}[::-1].copy()[::-1]",
    "read_only": "{a} = {a}.view()\n{a}.flags.writeable = False",
    "by_list": "{a} = np.array({a}.tolist(), dtype={a}.dtype).reshape({a}.shape)",
    "added_zero": "{a} = {a} + 0 if {a}.dtype.kind == 'f' else {a}",
}

TEXTS: dict[str, Callable[[str], str]] = {
    "lines_end_as_on_windows": lambda s: s.replace("\n", "\r\n") + "\r\n",
    "tabs": lambda s: "\n".join("\t" * ((len(line) - len(line.lstrip(" "))) // 4) + line.lstrip(" ")
                                for line in s.split("\n")),
    "comments": lambda s: "# Lösung 解\n\n" + s + "\n\n# fertig  \n",
    "future_import": lambda s: "from __future__ import annotations\n" + s,
    "magic_above": lambda s: "%matplotlib inline\n" + s,
    "cell_magic": lambda s: "%%time\n" + s,
    "shell_line_below": lambda s: s + "\n!ls\n",
    "blank_lines": lambda s: "\n\n\n" + s.replace("\n", "\n\n") + "\n   \n",
    "a_last_expression": lambda s: s + "\n42",
    "semicolon": lambda s: s + "\n1 + 1;",
    "help": lambda s: s + "\nlen?",
    "timeit": lambda s: s + "\n%timeit -n 1 -r 1 sum([1])\nt = %timeit -o -n 1 -r 1 sum([1])",
    "pip": lambda s: "%pip install numpy\n!pip list\n" + s,
    "form_feed": lambda s: "\f\n" + s,
    "main_guard": lambda s: s + "\nif __name__ == '__main__':\n    print('tried')",
}
