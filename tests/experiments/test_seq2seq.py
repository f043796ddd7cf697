"""From sequence to sequence: clean splits, what is counted and drawn, the bars, and all five tasks as a proof."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.sequence_tasks import copying_text, reversal
from minigrad.data.vocabulary import EOS
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._translating import attention_maps, by_length, exact, learn, over_length, texts_of, written
from minigrad.experiments.seq2seq import MODELS, TASKS, drawn, seq2seq
from minigrad.models.bahdanau import Bahdanau
from minigrad.models.seq2seq import Seq2Seq


def context(tmp_path, device="cpu", quick=True):
    return harness.Context(tmp_path / device, 0, quick, device, False, Console(quiet=True))


def small_texts():
    pairs = copying_text(np.random.default_rng(0), 80, (2, 5), "abc")
    return texts_of(pairs[20:], pairs[:20], copying_text(np.random.default_rng(1), 20, (6, 7), "abc"))


@pytest.mark.parametrize("name", TASKS)
def test_no_source_is_in_two_splits_and_longer_ones_are_longer(name, tmp_path):
    task = TASKS[name]
    train, test, longer, source, _ = drawn(context(tmp_path), task)
    sources = [{tuple(x) for x, _ in pairs} for pairs in (train, test, longer)]
    assert sum(map(len, sources)) == len(set().union(*sources)) == len(train) + len(test) + len(longer)
    assert max(len(x) for x, _ in train + test) <= task.longest < min(len(x) for x, _ in longer)
    assert len(test) == 30 and len(train) > 2 * len(test) and longer
    assert {token for x, _ in train for token in x} <= set(source)


def test_words_that_were_not_trained_on_are_unknown():
    texts = texts_of([(["a"], ["b"])], [(["c"], ["d"])], [])
    assert "c" not in texts.source and texts.source["c"] == texts.source.unk and "d" not in texts.target


def test_exact_counts_texts_without_any_mistake():
    pairs = [(["x"], ["a", "b"]), (["y"], ["a"]), (["z"], [])]
    assert exact([["a", "b"], ["a"], []], pairs) == 1
    assert exact([["b", "a"], ["a", "a"], []], pairs) == pytest.approx(1 / 3)        # order and length count


def test_lengths_are_binned_by_the_source_and_rare_ones_are_left_out():
    pairs = [(["x"] * n, []) for n in (4, 5, 8, 9, 12)]
    assert {middle: rows.tolist() for middle, rows in by_length(pairs, 4).items()} == {
        4: [0], 6.5: [1, 2], 10.5: [3, 4]}
    assert list(by_length(pairs, 1)) == [4, 5, 8, 9, 12]
    assert list(by_length([*pairs, *pairs[:1] * 200], 1)) == [4]


@pytest.mark.parametrize("make", [Seq2Seq, Bahdanau])
def test_training_gives_the_same_losses_on_every_device_and_goes_on_after_a_stop(make, device, tmp_path):
    """The same start; sums of float32 in another order differ in the last digits."""
    losses, texts = [], small_texts()
    for where in ("cpu", device):
        ctx = context(tmp_path, where)
        ctx.part("p")
        learn(ctx, make(len(texts.source), len(texts.target), embedding=4, hidden=6), texts, 2, 1e-2, 16)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-4) and losses[0][-1] < losses[0][0]
    again = harness.Context(tmp_path / device, 0, True, device, True, Console(quiet=True))
    again.part("p")
    learn(again, make(len(texts.source), len(texts.target), embedding=4, hidden=6), texts, 2, 1e-2, 16)
    assert [v for _, v in again.history["p loss"]] == losses[1]                      # all rounds were done: none again


def test_the_rate_rises_and_falls(tmp_path):
    """A cosine that ends at 0: at a constant rate the last batches undo what the others learned."""
    rates, texts, ctx = [], small_texts(), context(tmp_path)
    ctx.part("p")
    keep = ctx.checkpoint
    ctx.checkpoint = lambda done, **state: (rates.append(state["optimizer"].param_groups[0]["lr"]), keep(done, **state))
    learn(ctx, Seq2Seq(len(texts.source), len(texts.target), embedding=4, hidden=6), texts, 3, 1e-2, 16)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_maps_have_a_row_for_each_word_that_is_written_and_a_column_for_each_that_is_read(device):
    texts = small_texts()
    model = Bahdanau(len(texts.source), len(texts.target), embedding=4, hidden=6).to(device)
    pairs = sorted(texts.test, key=lambda pair: len(pair[0]))[::6]
    maps, answers = attention_maps(model, texts, pairs), written(model, texts, pairs)
    for (weights, rows, columns), answer, (source, _) in zip(maps, answers, pairs, strict=True):
        assert rows == [*answer, EOS] and columns == source and weights.shape == (len(rows), len(columns))
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)       # nothing on the padding; float32 softmax


def test_a_trained_writer_looks_from_the_end_to_the_beginning_when_it_reverses(tmp_path):
    """The map of reversal is the other diagonal, and the greedy text of a trained model is right."""
    pairs = reversal(np.random.default_rng(0), 300, (2, 4), "abcde")
    texts = texts_of(pairs[40:], pairs[:40], [])
    ctx = context(tmp_path)
    ctx.part("p")
    model = learn(ctx, Bahdanau(len(texts.source), len(texts.target), embedding=12, hidden=24), texts, 12, 1e-2, 16)
    assert exact(written(model, texts, texts.test), texts.test) > 0.9
    found = [np.trace(weights[:-1, ::-1]) / len(columns) for weights, _, columns
             in attention_maps(model, texts, texts.test) if len(weights) == len(columns) + 1]
    straight = [np.trace(weights[:-1]) / len(columns) for weights, _, columns
                in attention_maps(model, texts, texts.test) if len(weights) == len(columns) + 1]
    assert np.mean(found) > 0.5 > np.mean(straight)


def test_what_is_longer_than_trained_on_is_shaded():
    pytest.importorskip("matplotlib")
    ax = over_length({"a": [[3, 6, 9], [1, 0.5, 0]]}, 6, title="t", xlabel="x", ylabel="y").axes[0]
    shade = ax.patches[-1].get_extents().transformed(ax.transData.inverted())
    assert shade.x0 == pytest.approx(6.5) and shade.x1 == pytest.approx(ax.get_xlim()[1])


def test_the_bars_say_no_to_attention_that_is_no_better():
    good = {"start_test": 0.1, "start_longer": 0.0, "every_test": 0.8, "every_longer": 0.6, "attention_test": 1.0,
            "attention_longer": 0.9}
    assert set(good) == set(seq2seq.labels) and len(MODELS) == 3

    def missed(**changed):
        return [v["target"] for v in seq2seq._verdicts({**good, **changed}, quick=False) if not v["met"]]
    assert not missed()
    assert missed(attention_test=0.82) == ["attention_test"]
    assert "at least as often" in missed(every_test=1.0, attention_test=0.99)[0]
    assert "longer" in missed(every_longer=0.85)[0] and "longer" in missed(start_longer=0.85)[0]


@pytest.mark.proof
def test_attention_writes_what_one_vector_cannot(tmp_path, proof_record):
    """Every task: dates of seeds 0 to 2, the others too, since each takes seconds."""
    records = {name: seq2seq.execute(range(3), out=tmp_path, console=Console(quiet=True), options={"task": name})
               for name in TASKS}
    for name, record in records.items():
        proof_record(f"seq2seq_{name}", {k: record[k] for k in (
            "slide", "seeds", "device", "results", "spread", "values", "seconds_per_seed", "targets")})
    assert all(harness.met(record) for record in records.values()), {n: r["targets"] for n, r in records.items()}
