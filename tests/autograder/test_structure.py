"""Where no known mistake explains a result, the student reads the first sentence that holds, and it has to hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograder import hints
from autograder.check import Draw
from autograder.kernel import InKernel
from autograder.oracle import CellResult, grade_cell
from autograder.properties import shared_property
from autograder.prove import seeds
from autograder.structure import Case, Description, describe

from .assignment_help import assignment, cells
from .test_assignments import SLOW


# ----- Sentences where no mutant fits
def cases(wrong, shapes=((3, 2, 4), (5, 3, 2), (4, 4, 4)), axes="TBH"):
    rng = np.random.default_rng(1)
    made = []
    for shape in shapes:
        want = rng.normal(size=shape)
        draw = Draw((), dict(zip(axes, shape, strict=True)))
        got = np.asarray(wrong(want.copy(), draw))
        repaired = got.reshape(want.shape) if got.size == want.size else got
        right = repaired.shape == want.shape and bool(np.allclose(repaired, want, rtol=1e-9))
        made.append(Case(draw, got, repaired, want, 1e-7, right))
    return made


@pytest.mark.parametrize(("wrong", "sentence"), [
    (lambda w, d: w.transpose(1, 0, 2), "the result is transposed: axes 0 (T) and 1 (B) are exchanged"),
    (lambda w, d: w.swapaxes(1, 2), "the result is transposed: axes 1 (B) and 2 (H) are exchanged"),
    (lambda w, d: -w, "the sign is turned round"),
    (lambda w, d: 2 * w, "off by a factor of 2"),
    (lambda w, d: w / 2, "off by a factor of 1/2"),
    (lambda w, d: w / d["T"],
     "off by a factor of 1/T (T, the number of steps): a sum for a mean, or a forgotten scale?"),
    (lambda w, d: w * d["B"], "off by a factor of B (B, the batch size): a sum for a mean, or a forgotten scale?"),
    (lambda w, d: w / np.sqrt(d["H"]),
     "off by a factor of 1 over the root of H: a sum for a mean, or a forgotten scale?"),
    (lambda w, d: 0.37 * w, "off by the same constant factor on every draw"),
    (lambda w, d: w / np.linalg.norm(w),
     "off by one factor for all entries, another on every draw: a sum for a mean, or a forgotten scale?"),
    (lambda w, d: w + 0.3, "off by a constant, the same for all entries: a bias or a mean"),
    (lambda w, d: w - w.mean(axis=1, keepdims=True), "off by a constant along axis 1 (B): a bias or a mean"),
    (lambda w, d: w[::-1], "right values in reversed order along axis 0 (T)"),
    (lambda w, d: np.concatenate([w[:1] * 0, w[:-1]]),
     "right values, one place too late along axis 0 (T): off by one step"),
    (lambda w, d: np.concatenate([w[1:], w[:1] * 0]),
     "right values, one place too early along axis 0 (T): off by one step"),
    (lambda w, d: np.roll(w, 2, axis=0),
     "right values in another order along axis 0 (T): blocks or steps are exchanged"),
    (lambda w, d: np.concatenate([w[:1], np.sin(w[1:])]),
     "right at the first step, wrong from there on: look at what is handed over from step to step"),
    (lambda w, d: np.concatenate([np.sin(w[:-2]), w[-2:]]),
     "right at the last 2 steps, wrong before: look at what is handed over from step to step"),
    (lambda w, d: w if d["T"] == d["B"] else np.sin(w),
     "right for sizes that are all equal only: what changes otherwise?"),
    (lambda w, d: w * (1 + 1e-5 * np.sin(np.arange(w.size)).reshape(w.shape)),
     "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"),
])
def test_the_first_sentence_that_holds_on_all_draws_is_said(wrong, sentence):
    assert describe(cases(wrong), "TBH") == Description(sentence, True)


def test_what_fits_no_sentence_gets_the_first_wrong_index_and_the_size_in_words():
    told = describe(cases(lambda w, d: np.sin(3 * w)), "TBH")
    assert told == Description("24 of 24 entries are wrong, the first at index (0, 0, 0); the error is about as large "
                               "as the largest entry", False)


def test_wrong_on_padding_alone_is_said():
    made = cases(lambda w, d: w)
    for i, c in enumerate(made):
        mask = np.arange(c.want.shape[0])[:, None] < np.arange(1, 1 + c.want.shape[1])
        got = np.where(mask[..., None], c.want, 7.0 + c.want**2)
        made[i] = Case(c.draw, got, got, c.want, 1e-7, False, mask)
    assert describe(made, "TBH").sentence == "right at real positions, wrong on padding: what should stand there?"


def test_symmetric_draws_do_not_make_everything_transposed():
    assert "transposed" not in describe(cases(lambda w, d: np.sin(w), shapes=((1, 1, 1), (1, 1, 1))), "TBH").sentence


@pytest.mark.parametrize(("got", "want", "sentence"), [
    ([1, 2, 3], [1, 2], "one entry too many"), ([1], [1, 2], "one entry is missing"),
    ([2, 1], [1, 2], "right entries in reversed order"),
    ([2, 3, 1], [1, 2, 3], "right entries in another order"),
    ([1, 5], [1, 2], "the first wrong entry is number 1"),
    ([1, 2, 3, 4], [1, 2], "4 entries came, 2 are expected"),
    ([np.ones(2), np.ones(2)], [np.ones(2), np.zeros(2)], "the first wrong entry is number 1"),
])
def test_lists_are_described_by_their_entries(got, want, sentence):
    case = Case(Draw(()), got, got, want, 1e-7, False)
    assert describe([case, case], ()).sentence == sentence


# ----- What failing draws share

def draws(*tags):
    return [Draw((), t) for t in tags]


@pytest.mark.parametrize(("failing", "passing", "sentence"), [
    (draws({"B": 1, "T": 4}, {"B": 1, "T": 2}), draws({"B": 3, "T": 1}, {"B": 2, "T": 2}), "fails for B = 1"),
    (draws({"B": 3, "T": 4}, {"B": 1, "T": 2}), draws({"B": 3, "T": 1}),
     "right for T = 1 only: what changes otherwise?"),
    (draws({"B": 3, "T": 3}, {"B": 2, "T": 2}), draws({"B": 3, "T": 1}, {"B": 1, "T": 4}), "fails for B = T"),
    (draws({"B": 3, "T": 3}), draws({"B": 3, "T": 1}, {"B": 1, "T": 4}), None),                 # once is chance
    (draws({"B": 3, "T": 2}), draws({"B": 3, "T": 3, "large inputs": True}), None),             # saturated
    (draws({"n": 3, "large": True}), draws({"n": 3}), "fails for large"),
    (draws({"n": 3}), draws({"n": 4}), None), (draws({"n": 1}), [], None), ([], draws({"n": 1}), None),
])
def test_the_property_that_tells_failing_draws_from_others(failing, passing, sentence):
    assert shared_property(failing, passing) == sentence

# ----- Wrong implementations that are no known mistake, through the oracle

def handed_in(name: str, cell: str, source: str, seed: str = seeds(1)[0]) -> CellResult:
    """The verdict on a notebook that is right but for this cell."""
    check = assignment(name).checks[cell]
    if check.called == check.function:
        space = dict(check.space)
        exec(source, space)
    else:
        space = assignment(name).namespace({check.function: source})      # a given driver calls it
    return grade_cell(check, InKernel(space), seed)


def edited(name: str, cell: str, *changes: tuple[str, str]) -> str:
    """The solution with some of its text changed."""
    source = assignment(name).checks[cell].source()
    assert source is not None
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    return source


def spoiled(name: str, cell: str, k: int, change: str) -> str:
    """The solution, whose result k (called v, the arguments a) is changed before it is returned."""
    check = assignment(name).checks[cell]
    source, f, many = check.source(), check.function, len(check.names) > 1
    took = f"    v = r[{k}]\n    r[{k}] = {change}\n    return tuple(r)\n" if many else f"    return {change}\n"
    return f"{source}\n\n_right = {f}\n\n\ndef {f}(*a):\n" + (
        "    r = list(_right(*a))\n" if many else "    v = _right(*a)\n") + took


def told(result: CellResult, output: str = "") -> list[str]:
    """What is said of lost parts; of one result where there are several."""
    sentences = [p.sentence for p in result.parts if p.sentence]
    return [s.partition(": ")[2] for s in sentences if s.startswith(f"`{output}`: ")] if output else sentences


STEP, FORWARD, BACK = ("03_rnn", "rnn-step-test"), ("03_rnn", "rnn-forward-test"), ("03_rnn", "rnn-backward-test")
ONE_BACK, CLIP = ("03_rnn", "rnn-step-backward-test"), ("03_rnn", "clip-gradient-test")
LSTM, GRU = ("05_lstm", "lstm-step-test"), ("06_gru_bidirectional", "gru-step-test")
MASKED, POOL = ("06_gru_bidirectional", "masked-rnn-test"), ("09_sequence_tasks", "mean-pool-test")
TURNED, LOSS = ("06_gru_bidirectional", "reverse-padded-test"), ("09_sequence_tasks", "masked-cross-entropy-test")
NORM, NORM_BACK = ("10_transformer", "layer-norm-test"), ("10_transformer", "layer-norm-backward-test")
SOFTMAX, NEG = ("08_seq2seq_attention", "masked-softmax-test"), ("07_word2vec", "neg-sampling-test")
SCORES, HEADS = ("08_seq2seq_attention", "bahdanau-scores-test"), ("10_transformer", "multi-head-test")
CE, GATES = ("01_autograd", "softmax-cross-entropy-test"), ("05_lstm", "lstm-gates-test")
CHUNKS, JACOBIAN = ("03_rnn", "truncated-bptt-chunks-test"), ("04_vanishing", "step-jacobian-test")

# place, result, the solution edited (old, new pairs) or its result spoiled, the sentence
EDITED: list[tuple[tuple[str, str], str, tuple[tuple[str, str], ...], str]] = [
    # transposes
    (ONE_BACK, "dW_h", (("da.T @ h,", "h.T @ da,"),), "the result is transposed: axes 0 (H) and 1 (H) are exchanged"),
    (ONE_BACK, "dW_x", (("da.T @ x", "x.T @ da"),), "the result is transposed: axes 0 (H) and 1 (D) are exchanged"),
    (FORWARD, "", (("np.stack(hs)", "np.stack(hs, axis=1)"),),
     "the result is transposed: axes 0 (T) and 1 (B) are exchanged"),
    (SCORES, "", (("@ v\n", "@ v @ np.eye(len(s))[:, ::-1]\n"),), "right values in reversed order along axis 1 (B)"),
    (NEG, "dU_neg", (("np.outer(d_made_up, v)", "np.outer(v, d_made_up)"),),
     "the result is transposed: axes 0 (K) and 1 (d) are exchanged"),
    # signs
    (STEP, "", (("return np.tanh(", "return np.tanh(-("), ("+ b)", "+ b))")), "the sign is turned round"),
    (BACK, "db", (("db += db_t", "db -= db_t"),), "the sign is turned round"),
    (NEG, "du_o", (("d_true * v,", "-d_true * v,"),), "the sign is turned round"),
    (CLIP, "", (("g * (c / norm)", "-g * (c / norm)"), ("else g.copy()", "else -g")), "the sign is turned round"),
    (LOSS, "loss", (("-np.sum(log_y", "np.sum(log_y"),), "the sign is turned round"),
    # factors
    (ONE_BACK, "db", (("da.sum(axis=0)", "da.mean(axis=0)"),),
     "off by a factor of 1/B (B, the batch size): a sum for a mean, or a forgotten scale?"),
    (ONE_BACK, "dx", (("da @ W_x", "len(x) * da @ W_x"),),
     "off by a factor of B (B, the batch size): a sum for a mean, or a forgotten scale?"),
    (BACK, "dxs", (("return dxs,", "return dxs / len(xs),"),),
     "off by a factor of 1/T (T, the number of steps): a sum for a mean, or a forgotten scale?"),
    (BACK, "dW_x", (("dW_x += dW_x_t", "dW_x += len(xs) * dW_x_t"),),
     "off by a factor of T (T, the number of steps): a sum for a mean, or a forgotten scale?"),
    (ONE_BACK, "dW_h", (("da.T @ h,", "2 * da.T @ h,"),), "off by a factor of 2"),
    (NEG, "loss", (("return loss,", "return loss / 2,"),), "off by a factor of 1/2"),
    (CE, "loss", (("return loss,", "return loss / z.shape[1],"),),
     "off by a factor of 1/K (K, the number of classes): a sum for a mean, or a forgotten scale?"),
    (HEADS, "", (("@ W_o.T", "@ W_o.T / np.sqrt(X.shape[-1])"),),
     "off by a factor of 1 over the root of D: a sum for a mean, or a forgotten scale?"),
    (SCORES, "", (("@ v\n", "@ v * np.sqrt(len(v))\n"),),
     "off by a factor of the root of D: a sum for a mean, or a forgotten scale?"),
    (NORM_BACK, "dx", (("return dx,", "return dx / (len(x) * x.shape[1]),"),),
     "off by a factor of 1/(B times T): a sum for a mean, or a forgotten scale?"),
    (SCORES, "", (("@ v\n", "@ v * 0.3\n"),), "off by the same constant factor on every draw"),
    (SCORES, "", (("@ v\n", "@ v / np.linalg.norm(v)\n"),),
     "off by one factor for all entries, another on every draw: a sum for a mean, or a forgotten scale?"),
    # constants
    (SCORES, "", (("@ v\n", "@ v + 1\n"),), "off by a constant, the same for all entries: a bias or a mean"),
    (SCORES, "", (("@ v\n", "@ v + b.sum()\n"),), "off by a constant, the same for all entries: a bias or a mean"),
    (SCORES, "", (("@ v\n", "@ v - (s @ W_s.T) @ v\n"),), "off by a constant along axis 0 (T): a bias or a mean"),
    (CE, "loss", (("return loss,", "return loss + 1,"),), "off by the same constant on every draw"),
    # another order
    (GATES, "i", (("sigmoid(i), sigmoid(f)", "sigmoid(i)[:, ::-1], sigmoid(f)"),),
     "right values in reversed order along axis 1 (H)"),
    (FORWARD, "", (("np.stack(hs)", "np.stack(hs[::-1])"),), "right values in reversed order along axis 0 (T)"),
    (FORWARD, "", (("np.stack(hs)", "np.stack([hs[0], *hs[:-1]])"),),
     "right values, one place too late along axis 0 (T): off by one step"),
    (FORWARD, "", (("np.stack(hs)", "np.stack([*hs[1:], h])"),),
     "right values, one place too early along axis 0 (T): off by one step"),
    (FORWARD, "", (("np.stack(hs)", "np.roll(np.stack(hs), 2, axis=0)"),),
     "right values in another order along axis 0 (T): blocks or steps are exchanged"),
    (BACK, "dxs", (("return dxs,", "return dxs[::-1],"),), "right values in reversed order along axis 0 (T)"),
    (CHUNKS, "", (("range(0, T, k)]", "range(0, T, k)][::-1]"),), "right entries in reversed order"),
    (CHUNKS, "", (("range(0, T, k)]", "range(0, T, k)] + [(T, T)]"),), "one entry too many"),
    (GATES, "i", (("sigmoid(i), sigmoid(f)", "sigmoid(f), sigmoid(i)"),),
     "what should be `f` came: are the results in another order?"),
    # right up to a step
    (FORWARD, "", (("h = rnn_step(x, h, W_x, W_h, b)", "h = rnn_step(x, h / (1 + len(hs)), W_x, W_h, b)"),),
     "right at the first step, wrong from there on: look at what is handed over from step to step"),
    (FORWARD, "", (("h = rnn_step(x, h, W_x, W_h, b)", "h = rnn_step(x, h if len(hs) < 2 else hs[-2], W_x, W_h, b)"),),
     "right at the first 2 steps, wrong from there on: look at what is handed over from step to step"),
    (BACK, "dxs", (("rnn_step_backward(dhs[t] + dh,", "rnn_step_backward(dhs[t] + dh / 2,"),),
     "right at the last step, wrong before: look at what is handed over from step to step"),
    # right for some draws
    (STEP, "", (("return np.tanh(x", "return np.tanh(x[:1]"),), "right for B = 1 only: what changes otherwise?"),
    (FORWARD, "", (("np.stack(hs)", "np.stack(hs) * len(hs) ** np.sin(np.arange(h.size).reshape(h.shape))"),),
     "right for T = 1 only: what changes otherwise?"),
    (SCORES, "", (("a @ W_a.T", "np.clip(a, -9, 9) @ W_a.T"),), "fails for large inputs"),
    (LOSS, "dz", (("return float(loss), dz / n", "return float(loss), dz / n if len(z) > 1 else np.sin(dz)"),),
     "fails for B = 1"),
    # padding
    (TURNED, "", (("out = xs.copy()", "out = np.ones_like(xs)"),),
     "right at real positions, wrong on padding: what should stand there?"),
    (MASKED, "hs", (("np.where(alive, h_new, 0)", "np.where(alive, h_new, 7.5 * x.sum())"),),
     "right at real positions, wrong on padding: what should stand there?"),
    (SOFTMAX, "", (("return w /", "return np.where(mask, 0, 0.25 * e * e) + w /"),),
     "right at real positions, wrong on padding: what should stand there?"),
    (LOSS, "dz", (("dz[~real] = 0", "dz[~real] = 0.5 * z[~real]"),),
     "right at real positions, wrong on padding: what should stand there?"),
    # nearly right
    (STEP, "", (("return np.tanh(", "return 0.9999 * np.tanh(0.00001 * x[:, :1] + "),),
     "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"),
    (ONE_BACK, "dW_x", (("da.T @ x", "(da.T @ x).astype(np.float32)"),),
     "nearly right, in float32: was a dtype given, or lost?"),
    (NORM, "", (("var + eps", "var + eps + 1e-6"),),
     "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"),
    # right without an argument
    (STEP, "", (("h @ W_h.T", "2 * h @ W_h.T"),), "right where `h` or `W_h` is 0: look at where `h` and `W_h` meet"),
    (STEP, "", (("+ b)", "+ 3 * b)"),), "right where `b` is 0: look at what `b` does"),
    (STEP, "", (("x @ W_x.T", "x[:, ::-1] @ W_x.T"),),
     "right where `x` or `W_x` is 0: look at where `x` and `W_x` meet"),
    (SCORES, "", (("s @ W_s.T", "2 * s @ W_s.T"),), "right where `s` or `W_s` is 0: look at where `s` and `W_s` meet"),
    (LSTM, "c_new", (("f * c", "f * f * c"),), "right where `c` is 0: look at what `c` does"),
    (GRU, "", (("(1 - z) * h", "(1 - z * z) * h"),), "right where `h` is 0: look at what `h` does"),
    (NORM, "", (("+ beta", "+ np.sin(beta)"),), "right where `beta` is 0: look at what `beta` does"),
    # nothing of all this
    (STEP, "", (("np.tanh(", "np.sin("),), "are wrong, the first at index (0, 0)"),
    (JACOBIAN, "", (("(1 - h**2)[:, None] * W_h", "np.sin(W_h) * h"),), "are wrong, the first at index (0, 0)"),
]


@pytest.mark.parametrize(("place", "output", "changes", "sentence"), EDITED,
                         ids=[f"{p[1]}-{o}-{i}" for i, (p, o, *_) in enumerate(EDITED)])
def test_a_wrong_implementation_gets_its_sentence(place, output, changes, sentence):
    result = handed_in(*place, edited(*place, *changes))
    assert result.misconceptions == [], "a known mistake: it belongs to another test"
    assert any(sentence in s for s in told(result, output)), (told(result, output), result.message)


def test_what_nothing_explains_brings_the_first_hint_of_the_notebook_unfolded():
    [said] = told(handed_in(*STEP, edited(*STEP, ("np.tanh(", "np.sin("))))
    assert said.endswith("largest entry. Hint 1, the idea: Three terms are added, and tanh is taken once, of their "
                         "sum. The first term brings the present, the second the past.")


@pytest.mark.parametrize(("name", "cell"), cells())
def test_every_function_has_its_three_hints_without_html(name, cell):
    found = hints.of(assignment(name).checks[cell])
    assert [h.partition(",")[0] for h in found] == ["Hint 1", "Hint 2", "Hint 3"]
    assert all(len(h) > 30 and "<details" not in h and "</" not in h for h in found)


def test_text_that_looks_like_a_tag_stays_in_a_hint():
    [hint] = hints.hints("<details><summary>Hint 1: a</summary>\n\n`i < n` and <b>not</b>\n`j > 0`\n\n</details>")
    assert hint == "Hint 1, a: `i < n` and not `j > 0`"


def test_a_sentence_that_explains_brings_no_hint():
    assert "Hint" not in "".join(told(handed_in(*STEP, edited(*STEP, ("+ b)", "+ 3 * b)")))))


def test_right_in_some_results_is_said_by_name():
    result = handed_in(*ONE_BACK, edited(*ONE_BACK, ("da.sum(axis=0)", "np.sin(da.sum(axis=0))")))
    assert result.message == "`dx`, `dh`, `dW_x` and `dW_h` are right, `db` is not."


@pytest.mark.parametrize(("trap", "most"), [("raise ValueError", 10), ("while True: pass", 1)])
def test_what_a_function_does_when_it_is_asked_once_more_costs_nothing(trap, most):
    """Arguments of zeros are a question of the grader's own: a function that raises or hangs there keeps its points,
    and one that hangs is asked once."""
    class Limits:
        draw, cell = 0.3, 5.0

    asked: list[int] = []

    def graded(line: str) -> CellResult:
        check = assignment(STEP[0]).checks[STEP[1]]
        space = dict(check.space) | {"asked": asked}
        exec(edited(*STEP, ("return np.tanh(", f"{line}\n    return (h + 1) * np.sin(")), space)
        return grade_cell(check, InKernel(space), seeds(1)[0], Limits)

    first = graded("pass")
    again = graded(f"if not (x.any() and h.any()):\n        asked.append(1)\n        {trap}")
    assert (again.score, again.reason, [p.ok for p in again.parts]) == (first.score, first.reason,
                                                                       [p.ok for p in first.parts])
    assert 0 < len(asked) <= most


def noise(want: Any, rng: np.random.Generator) -> Any:
    """Something of the same form that has nothing to do with it."""
    if isinstance(want, np.ndarray) and want.dtype.kind == "f":
        return rng.normal(size=want.shape).astype(want.dtype)
    if isinstance(want, float):
        return float(rng.normal())
    return type(want)(noise(w, rng) for w in want) if type(want) in (list, tuple) else want


@pytest.mark.parametrize("where", [STEP, FORWARD, BACK, LSTM, SOFTMAX, NORM_BACK, HEADS, CLIP, LOSS])
def test_noise_is_given_no_explanation(where):
    """A sentence that fits noise would fit anything."""
    check = assignment(where[0]).checks[where[1]]
    rng = np.random.default_rng(5)
    space = assignment(where[0]).namespace()
    right = space[check.function]
    space[check.function] = lambda *a: noise(right(*a), rng)
    result = grade_cell(check, InKernel(space), seeds(1)[0])
    assert result.score < result.points
    for said in told(result):
        assert any(w in said for w in ("entries are wrong, the first at", "first wrong entry", "are wrong; the")), said


def sentences_on_right_code(name: str, cell: str, seed: str) -> list[str]:
    check = assignment(name).checks[cell]
    said = []
    for source in [check.source(), *(v.source for v in check.variants)]:
        result = grade_cell(check, InKernel(assignment(name).namespace({check.function: source})), seed)
        said += [*told(result), *(m.mutant for m in result.misconceptions), result.message, result.question or ""]
    return [s for s in said if s]


@pytest.mark.parametrize(("name", "cell"), [c for c in cells() if c[0] == "03_rnn" and c[1] not in SLOW])
def test_right_code_is_told_nothing(name, cell):
    assert sentences_on_right_code(name, cell, seeds(1)[0]) == []


@pytest.mark.proof
def test_wrong_code_gets_its_sentence_on_5_seeds_and_right_code_of_all_assignments_none(proof_record):
    """Every solution and variant on 3 seeds, each wrong implementation above on 5."""
    right, false = 0, []
    for name, cell in cells():
        for seed in seeds(1 if cell in SLOW else 3):
            right += 1 + len(assignment(name).checks[cell].variants)
            false += [f"{name}, {cell}: {said}" for said in sentences_on_right_code(name, cell, seed)]
    missed = []
    for i, (place, output, changes, sentence) in enumerate(EDITED):
        for k, seed in enumerate(seeds(5)):
            said = told(handed_in(*place, edited(*place, *changes), seed), output)
            if not any(sentence in s for s in said):
                missed.append(f"{i}, seed {k}: {sentence!r}, not {said}")
    proof_record("sentences", {
        "right_answers": right, "false_sentences": len(false), "wrong_implementations": len(EDITED), "seeds": 5,
        "wrong_answers": 5 * len(EDITED), "with_their_sentence": 5 * len(EDITED) - len(missed), "missed": missed})
    assert false == [] and missed == []
