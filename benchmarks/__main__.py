"""`python -m benchmarks [NAME ...] [--pairs N] [--out FILE]`: run the comparisons, print a table, write JSON.

Rows with a limit are the project's own budgets; the exit status does not depend on them, for machines are noisy: the
table says which held.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

from . import bahdanau, charlm, grading, ngrams, ops_steps, recurrent, skipgram, tensor_steps, transformer
from .pairs import Row, compare
from .steps import CHAIN

RESULTS = Path(__file__).parent / "results"


def tape(pairs: int) -> dict:
    """What the tape costs for each operation, over the bare NumPy call: at most 2.5 us forward and 2 us backward."""
    chain = "benchmarks.steps.numpy_chain"
    forward = compare("tape forward / numpy", "benchmarks.steps.tape_forward", chain, pairs=pairs)
    both = compare("tape forward and backward / numpy", "benchmarks.steps.tape_both", chain, pairs=pairs)
    bare = forward.theirs / CHAIN * 1e6
    up = forward.ours / CHAIN * 1e6 - bare
    down = both.ours / CHAIN * 1e6 - up - 2 * bare
    rows = [forward, both]
    try:
        import torch  # noqa: F401
    except ImportError:
        pass
    else:
        rows.append(compare("tape / PyTorch, forward", "benchmarks.steps.tape_forward",
                            "benchmarks.steps.torch_forward", pairs=pairs))
        rows.append(compare("tape / PyTorch, forward and backward", "benchmarks.steps.tape_both",
                            "benchmarks.steps.torch_both", pairs=pairs))
    return {"rows": rows, "us_per_op": {"numpy": bare, "forward_over_numpy": up, "backward_over_numpy": down},
            "limits_us": {"forward_over_numpy": 2.5, "backward_over_numpy": 2.0},
            "held": up <= 2.5 and down <= 2.0}


def forecasting(pairs: int) -> dict:
    """The forecasting RNN's training step beside PyTorch's (fused Adam): at most 0.3 of its time."""
    return {"rows": [compare(f"forecasting step, {t} thread{'s' * (t > 1)}", "benchmarks.steps.forecaster",
                             "benchmarks.steps.torch_forecaster", [t], pairs=pairs, threads=t, limit=0.3)
                     for t in (1, 2)]}


def imports(pairs: int) -> dict:
    """`import minigrad` beside `import numpy`: at most 0.1 s more."""
    row = compare("import minigrad / import numpy", "benchmarks.steps.import_minigrad", "benchmarks.steps.import_numpy",
                  pairs=pairs, seconds=0.5)
    more = row.ours - row.theirs
    return {"rows": [row], "seconds_more": more, "limit_seconds": 0.1, "held": more <= 0.1}


def operations(pairs: int) -> dict:
    """Single operations, forward and backward, beside PyTorch's eager ones, at lecture sizes, one thread."""
    chain = "elementwise chain (32, 64)"       # small operations: here the tape must not cost more than a dispatcher
    return {"rows": [compare(name, f"{steps.__name__}.{ours}", f"{steps.__name__}.{theirs}", args, pairs=pairs,
                             limit=1.0 if name == chain else None)
                     for steps in (tensor_steps, ops_steps) for name, ours, theirs, args in steps.ROWS]}


BENCHMARKS = {"operations": operations, "tape": tape, "forecasting": forecasting, "imports": imports,
              "recurrent": recurrent.layers, "characters": recurrent.characters,
              "bahdanau": bahdanau.bahdanau, "transformer": transformer.transformer,
              "decoding": transformer.decoding, "charlm": charlm.to_the_same_loss, "ngrams": ngrams.counting,
              "skipgram": skipgram.skipgram, "grading": grading.grading, "further": grading.further}


def _load() -> float | None:
    """How many processes wanted to run in the last minute: what else the machine had to do."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def main() -> int:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which (default: all)")
    parser.add_argument("--pairs", type=int, default=9, help="pairs of turns (default 9)")
    parser.add_argument("--class", dest="sizes", type=int, nargs="+", default=[40], metavar="N",
                        help="grading: sizes of the class (default 40; stock needs seconds a submission)")
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/<name>.json each)")
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    for name in options.names or BENCHMARKS:
        load = _load()
        result = BENCHMARKS[name](options.pairs, **({"sizes": sorted(options.sizes)} if name == "grading" else {}))
        rows: list[Row] = result["rows"]
        print(f"\n{name}: {(BENCHMARKS[name].__doc__ or '').strip()}")
        for row in rows:
            limit = "" if row.limit is None else f"  limit {row.limit} {'held' if row.held else 'MISSED'}"
            print(f"  {row.name:<42} {row.ratio:6.3f}  [{row.low:.3f}, {row.high:.3f}]  "
                  f"{row.ours * 1e3:9.3f} ms / {row.theirs * 1e3:9.3f} ms{limit}")
        extra = {k: v for k, v in result.items() if k != "rows"}
        for key, value in extra.items():
            print(f"  {key}: {value}")
        record = {"benchmark": name, "date": datetime.date.today().isoformat(), "commit": commit.stdout.strip(),
                  "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(),
                  "cores": os.cpu_count(), "load": [load, _load()], **extra, "rows": [r.to_dict() for r in rows]}
        path = options.out or RESULTS / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
