"""Results as the grader writes them, made without grading: a class of any size for the report's tests."""

from __future__ import annotations

import random
from typing import Any

CHECKS: list[tuple[str, float, list[tuple[str, float]], list[tuple[str, str, str]]]] = [
    ("rnn_step", 14, [("shape", 2), ("value", 9), ("batch 1 and D = H", 3)], [
        ("no_recurrence", "Without W_h h_{t-1} this is a feed-forward layer: nothing is remembered.",
         "state not carried"),
        ("Wh_transposed", "With rows it must be `h @ W_h.T`, and a square matrix hides the slip.", "transpose")]),
    ("rnn_forward", 14, [("shape", 2), ("values", 9), ("T = 1", 3)], [
        ("state_reset", "Each step must start from the previous state, not from h_0 again.", "state not carried"),
        ("with_h0", "The list holds the state *after* each step: h_1 ... h_T, without h_0.", "h_t for h_{t-1}")]),
    ("rnn_step_backward", 18, [("dx", 3), ("dh", 4), ("dW_x", 4), ("dW_h", 4), ("db", 3)], [
        ("tanh_at_x", "h_t is already tanh of the sum: the derivative is 1 - h_t^2.", "derivative at the wrong point"),
        ("dWh_new_h", "W_h was multiplied by the *previous* state, so dW_h uses h_{t-1}.", "h_t for h_{t-1}")]),
    ("rnn_backward", 22, [("dxs", 4), ("dh0", 4), ("dW_x", 5), ("dW_h", 6), ("db", 3)], [
        ("last_step_weights", "The same weights are used at every step: sum their gradients over all steps.",
         "weights not summed over time"),
        ("overwrite", "Assigning in the loop keeps only the first time step; weight gradients are summed.",
         "weights not summed over time"),
        ("mean_T", "The total loss is the *sum* over steps here: do not divide by T.", "mean or sum")]),
    ("truncated_bptt_chunks", 12, [("borders", 6), ("last chunk", 3), ("k >= T and k = 1", 3)], [
        ("drop_last", "The last, shorter chunk holds data too: keep it.", "last chunk")]),
    ("clip_gradient", 12, [("scaling", 6), ("below the threshold", 3), ("list of arrays", 3)], [
        ("squared_norm", "The norm is the square *root* of the sum of squares.", "norm")]),
    ("train_hello", 8, [("loss falls", 4), ("spells hello", 4)], [
        ("no_shift", "The target of each character is the *next* one.", "h_t for h_{t-1}")]),
]
GIVEN = "amara chidi dilnoza eero fatima giorgos hana ines jarek kalani lior meera nikos oluwaseun paola quynh".split()
FAMILY = "abebe bianchi castillo dvorak eriksen fofanah gunawardena haddad ibarra jansone kovacs lindqvist".split()


def student_name(i: int) -> str:
    return f"{GIVEN[i % len(GIVEN)]}.{FAMILY[i * 7 % len(FAMILY)]}" + (f".{i}" if i >= len(GIVEN) * 3 else "")


def cell(check: int, failed: float = 0.0, mutants: list[int] | None = None, reason: str = "") -> dict[str, Any]:
    """The result of one cell; `failed` is the share of parts that are lost, from the last."""
    function, points, parts, known = CHECKS[check]
    lost = round(failed * len(parts))
    rows = [{"name": name, "points": float(p), "earned": 0.0 if i >= len(parts) - lost else float(p),
             "ok": i < len(parts) - lost, "sentence": ""} for i, (name, p) in enumerate(parts)]
    score = sum(r["earned"] for r in rows)
    found = [dict(zip(("mutant", "sentence", "family"), known[m], strict=True), outputs=[]) for m in mutants or []]
    return {"grade_id": function.replace("_", "-") + "-test", "function": function, "points": float(points),
            "score": score, "parts": rows, "reason": reason or ("ok" if score == points else "partial" if score else
            "wrong"), "message": "", "misconceptions": found, "question": None, "notes": [], "seed": "0" * 64,
            "seconds": 0.1}


def result(student: str, cells: list[dict[str, Any]] | None = None, status: str = "graded", **other: Any
           ) -> dict[str, Any]:
    """One submission's result; all checks right unless told otherwise."""
    cells = [cell(i) for i in range(len(CHECKS))] if cells is None else cells
    return {"version": 1, "assignment": "03_rnn", "student": student, "started": "2026-11-21T10:00:00+00:00",
            "seconds": 0.8, "layers": ["bwrap", "landlock", "seccomp", "rlimits"], "status": status, "notes": [],
            "score": sum(c["score"] for c in cells), "max_score": 100.0, "cells": cells, "incidents": [],
            "source_hash": "s", "checks_hash": "c"} | other


def unreadable(student: str, reason: str = "the file is not a notebook: its JSON is broken (line 3)") -> dict[str, Any]:
    return result(student, [], status="unreadable", notes=[reason], layers=[])


def a_class(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """n submissions: most right in most checks, some with named mistakes, a few that hang, die or cannot be read."""
    draw = random.Random(seed)
    made = []
    for i in range(n):
        name, kind = student_name(i), draw.random()
        if kind < 0.02:
            made.append(unreadable(name))
            continue
        skill = draw.betavariate(4, 1.3)
        cells, incidents = [], []
        for k, (*_, known) in enumerate(CHECKS):
            if draw.random() < skill:
                cells.append(cell(k))
            elif draw.random() < 0.75:
                cells.append(cell(k, draw.uniform(0.2, 1), [draw.randrange(len(known))]))
            else:
                reason = draw.choice(["not_written", "raises", "timeout", "died", "wrong"])
                cells.append(cell(k, 1.0, [], reason) | ({"parts": []} if reason == "not_written" else {}))
                if reason in ("timeout", "died"):
                    incidents.append({"kind": reason, "cell": cells[-1]["grade_id"],
                                      "text": "longer than 2 s" if reason == "timeout" else "the process ended"})
        if draw.random() < 0.03:
            incidents.append({"kind": "changed", "cell": "rnn-step-test",
                              "text": "changed in the submission: tags skip-execution; test; the course's own count"})
        notes = ["the notebook is called '03_rnn (1).ipynb'; graded as '03_rnn.ipynb'"] if draw.random() < 0.04 else []
        made.append(result(name, cells, incidents=incidents, notes=notes, seconds=round(draw.lognormvariate(0, .5), 2)))
    return made
