"""Training steps of Bahdanau's decoder beside PyTorch's, at the sizes of the project's budget."""
from __future__ import annotations

from typing import Any

from .pairs import Row, Side, compare

HERE = "benchmarks.attention_steps."
LIMIT = 0.65


def bahdanau(pairs: int) -> dict[str, Any]:
    """Bahdanau's decoder (B 32, S 20, T 20): forward, backward and Adam, beside a loop over PyTorch's GRUCell."""
    rows: list[Row] = []
    for threads in (1, 2):
        sides = Side(threads), Side(threads)
        for hidden in (64, 128, 256):
            name = f"decoder H {hidden}, {threads} thread{'s' * (threads > 1)}"
            rows.append(compare(name, HERE + "decoder", HERE + "torch_decoder", [32, 20, 20, hidden], pairs=pairs,
                                limit=LIMIT, sides=sides))
        for side in sides:
            side.close()
    return {"rows": rows}
