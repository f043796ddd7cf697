"""docs/gpu.md says what runs where, and what is said there is looked at: kernels, forms, counts.

    python -m tests.gpu.test_gpu_page          prints the table of forms as it is now
"""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.kernels import signature

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"
FORMS: dict[str, Callable[..., nn.Module]] = {
    "`nn.LSTM`": nn.LSTM,
    "`nn.LSTM(peephole=\"diagonal\")`": lambda D, H: nn.LSTM(D, H, peephole="diagonal"),
    "`nn.LSTM(peephole=\"full\")`": lambda D, H: nn.LSTM(D, H, peephole="full"),
    "`nn.LSTM(forget=False)`": lambda D, H: nn.LSTM(D, H, forget=False),
    "`nn.LSTM(coupled=True)`": lambda D, H: nn.LSTM(D, H, coupled=True),
    "`nn.LSTM(proj_size=P)`": lambda D, H: nn.LSTM(D, H, proj_size=8),
    "`nn.GRU`": nn.GRU,
    "`nn.GRU(update=\"writes\")`": lambda D, H: nn.GRU(D, H, update="writes"),
    "`nn.GRU(reset=\"before\")`": lambda D, H: nn.GRU(D, H, reset="before"),
    "`nn.RNN`": nn.RNN,
    "`nn.RNN(nonlinearity=\"relu\")`": lambda D, H: nn.RNN(D, H, nonlinearity="relu"),
    "`nn.RNN(residual=True)`": lambda D, H: nn.RNN(D, H, residual=True),
    "`nn.RNN(skip=2)`": lambda D, H: nn.RNN(D, H, skip=2),
}


def walk(layer: nn.Module, clusters: bool) -> str:
    """Which kernels walk over the steps, forward and backward."""
    device = mg.device("strict")
    before, device.kernels.clusters = device.kernels.clusters, clusters
    try:
        layer, x = layer.to("strict"), mg.randn(3, 2, 16, device="strict")
        with strict.counting() as counts:
            (layer(x)[0] ** 2).mean().backward()
    finally:
        device.kernels.clusters = before
    used = [m[1] for call in counts.calls if (m := re.fullmatch(r"launch: kernel (\w+)", call))]
    files = {signature.find(name).file.stem for name in used}
    return ", ".join(f"`{f}`" for f in sorted(files) if f.endswith(("_cluster", "_cell"))) or "the readable loop"


def forms() -> str:
    """The table: each form with a size that clusters are compiled for, on a chip that has them, and else."""
    rows = ["| form | hidden size 64, a chip with clusters | else |", "|---|---|---|"]
    for label, make in FORMS.items():
        rows.append(f"| {label} | {walk(make(16, 64), True)} | {walk(make(16, 40), False)} |")
    return "\n".join(rows)


def test_the_table_of_forms_is_what_happens():
    """Run on `strict`, where the launcher says which kernel it starts."""
    shown = PAGE.read_text().split("<!-- forms -->\n")[1].split("\n<!-- /forms -->")[0]
    assert shown == forms(), "python -m tests.gpu.test_gpu_page prints the table"


def test_every_kernel_is_named_on_the_page_and_every_name_is_a_kernel():
    """Who adds a kernel says where it runs."""
    text = PAGE.read_text()
    files = {path.stem for path in signature.files()}
    table = text[text.index("## What runs where"):text.index("## Why a loop")]
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert files <= named, files - named
    assert {name for name in named if name.endswith(("_cluster", "_cell"))} <= files


@pytest.mark.parametrize("word", ["<!-- gpu table -->", "<!-- /gpu table -->", "not measured", "minigrad doctor",
                                  "benchmarks.gpu", "launches.json"])
def test_the_page_keeps_what_others_look_for(word):
    """The measured table is written between these marks by a program; until then nothing claims a figure."""
    assert word in PAGE.read_text()


if __name__ == "__main__":
    print(forms())
