"""06_gru_bidirectional: its text against minigrad's GRU, RNN and tape, and PyTorch. `test_assignments.py` has what is
asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds
from minigrad import nn
from minigrad.nn.steps import gru_before_step, gru_step

from .assignment_help import assignment

NAME = "06_gru_bidirectional"


# ----- The plan

def test_it_has_seven_functions_a_hundred_points_and_42_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "gru_step", "gru_step_torch", "gru_step_backward", "reverse_padded", "masked_rnn", "bidirectional", "stacked"]
    assert [cell.points for cell in found.graded.values()] == [16, 12, 24, 10, 14, 14, 10]
    assert sum(len(check.mutants) for check in found.checks.values()) == 42


# ----- The hidden tests

def test_a_numerical_derivative_does_not_pass_for_a_gradient():
    source = """
def gru_step_backward(dh_new, x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    args = [x.copy(), h.copy(), W_z.copy(), W_r.copy(), W_h.copy()]
    grads = [np.zeros_like(a) for a in args]
    for a, g in zip(args, grads):
        for i in np.ndindex(a.shape):
            old = a[i]
            a[i] = old + 1e-5
            up = np.sum(dh_new * gru_step(*args, b_z, b_r, b_h))
            a[i] = old - 1e-5
            g[i] = (up - np.sum(dh_new * gru_step(*args, b_z, b_r, b_h))) / 2e-5
            a[i] = old
    return grads
"""
    [(_, result)] = graded(assignment(NAME).checks["gru-step-backward-test"], source, seeds(1))
    assert result.score == 0


@pytest.mark.parametrize(("cell", "mutant", "score"), [
    ("gru-step-test", "z_reversed", 7), ("gru-step-test", "r_after", 8), ("gru-step-torch-test", "deck_z", 6),
    ("gru-step-torch-test", "bhn_outside", 9), ("bidirectional-test", "same_weights", 7)])
def test_a_convention_that_was_mistaken_leaves_the_points_of_the_rest(cell, mutant, score):
    check = assignment(NAME).checks[cell]
    source = check.source(next(m for m in check.mutants if m.name == mutant))
    [(_, result)] = graded(check, source, seeds(1))
    assert result.score == score


# ----- The solution's text against minigrad

def leaf(a):
    return mg.tensor(a, dtype=mg.float64, requires_grad=True)


def close(got, want, tol=1e-12):
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=tol * (1 + np.max(np.abs(w))))


def drawn_sizes(rng):
    return {letter: int(n) for letter, n in zip("TBDH", rng.integers(1, 7, size=4), strict=True)}


def gru_agrees(seed):
    """Both forms, and the gradients of the first, are what the engine's steps give."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()
    size = drawn_sizes(rng)
    B, D, H = (size[k] for k in "BDH")
    x, h, dh = (rng.normal(size=(B, n)) for n in (D, H, H))
    (W_z, W_r, W_h), (b_z, b_r, b_h) = 0.7 * rng.normal(size=(3, H, H + D)), 0.7 * rng.normal(size=(3, H))
    weights = (W_z, W_r, W_h, b_z, b_r, b_h)

    leaves = x_t, h_t, z_t, r_t, n_t = [leaf(a) for a in (x, h, W_z, W_r, W_h)]
    stacked_rows = mg.cat([r_t, z_t, n_t])
    b = mg.tensor(np.concatenate([b_r, b_z, b_h]), dtype=mg.float64)
    h_new = gru_before_step(x_t, h_t, stacked_rows[:, H:], stacked_rows[:, :H], b, update="writes")
    mg.sum(mg.tensor(dh, dtype=mg.float64) * h_new).backward()
    close([space["gru_step"](x, h, *weights)], [h_new.detach().numpy()])
    close(space["gru_step_backward"](dh, x, h, *weights), [t.grad.numpy() for t in leaves])

    layout = [0.7 * rng.normal(size=shape) for shape in ((3 * H, D), (3 * H, H), (3 * H,), (3 * H,))]
    tensors = [mg.tensor(a, dtype=mg.float64) for a in (x, h, *layout)]
    close([space["gru_step_torch"](x, h, *layout)], [gru_step(*tensors).numpy()])
    diagonal = (W_z, W_r, np.concatenate([W_h[:, :H] * np.eye(H), W_h[:, H:]], axis=1), b_z, b_r, b_h)
    close([space["gru_step_torch"](x, h, *space["torch_layout"](*diagonal))], [space["gru_step"](x, h, *diagonal)])


def loaded(layer, weights):
    """A layer with these arrays, in the order of its parameters, in float64."""
    names = list(layer.state_dict())
    layer.to(mg.float64)
    layer.load_state_dict({name: mg.tensor(a, dtype=mg.float64) for name, a in zip(names, weights, strict=True)})
    return layer


def run(layer, xs, lengths=None):
    y, last = layer(mg.tensor(xs, dtype=mg.float64), lengths=lengths)
    return y.detach().numpy(), last.detach().numpy()


def layers_agree(seed):
    """GRU layers in both forms; masks, directions and depth of the RNN layer; whatever stands on padding."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()
    T, B, D, H = drawn_sizes(rng).values()
    xs, lengths = 3 * rng.normal(size=(T, B, D)), rng.integers(1, T + 1, size=B)
    (W_z, W_r, W_h), biases = 0.7 * rng.normal(size=(3, H, H + D)), 0.7 * rng.normal(size=(3, H))
    layout = space["torch_layout"](W_z, W_r, W_h, *biases)
    for step, weights, reset in (("gru_step", (W_z, W_r, W_h, *biases), "before"), ("gru_step_torch", layout, "after")):
        h, hs = np.zeros((B, H)), []
        for x in xs:
            h = space[step](x, h, *weights)
            hs.append(h)
        close([np.stack(hs)], run(loaded(nn.GRU(D, H, reset=reset), layout), xs)[:1])

    pairs = [(0.7 * rng.normal(size=(H, H + width)), rng.normal(size=H)) for width in (D, D, H, H)]
    apart = [(W[:, H:], W[:, :H], b, np.zeros(H)) for W, b in pairs]
    forward, backward, *above = pairs
    hs, last = run(loaded(nn.RNN(D, H), apart[0]), xs, lengths)
    close(space["masked_rnn"](xs, lengths, *forward), (hs, last[0]))
    both = loaded(nn.RNN(D, H, bidirectional=True), (*apart[0], *apart[1]))
    close([space["bidirectional"](xs, lengths, *forward, *backward)], run(both, xs, lengths)[:1])
    deep = loaded(nn.RNN(D, H, num_layers=3), (*apart[0], *apart[2], *apart[3]))
    close(space["stacked"](xs, lengths, [forward, *above]), run(deep, xs, lengths))


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    gru_agrees(seed)
    layers_agree(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    gru_agrees(seed)
    layers_agree(seed)


def test_reversing_twice_gives_the_batch_back_and_once_keeps_the_padding():
    rng, reverse = np.random.default_rng(0), assignment(NAME).namespace()["reverse_padded"]
    xs, lengths = rng.normal(size=(6, 4, 2)), np.array([1, 6, 3, 5])
    turned = reverse(xs, lengths)
    assert np.array_equal(reverse(turned, lengths), xs)
    for i, n in enumerate(lengths):
        assert np.array_equal(turned[:n, i], xs[:n, i][::-1]) and np.array_equal(turned[n:, i], xs[n:, i])


def test_the_second_form_is_pytorch_s():
    torch = pytest.importorskip("torch")
    rng, D, H = np.random.default_rng(1), 3, 4
    cell = torch.nn.GRUCell(D, H, dtype=torch.float64)
    x, h = rng.normal(size=(5, D)), rng.normal(size=(5, H))
    weights = [p.detach().numpy() for p in cell.parameters()]
    want = cell(torch.from_numpy(x), torch.from_numpy(h)).detach().numpy()
    close([assignment(NAME).namespace()["gru_step_torch"](x, h, *weights)], [want])


# ----- The sentences of the picture

def test_one_neighbour_decides_each_ambiguous_word():
    """Apple by the word after it, Paris by the word before it, and both tags are equally frequent."""
    sentences = assignment(NAME).namespace()["tagged_sentences"]()
    assert len(sentences) == len({tuple(s) for s in sentences}) == 144
    for word, offset in (("Apple", 1), ("Paris", -1)):
        decided = {}
        for sentence in sentences:
            i = [w for w, _ in sentence].index(word)
            decided.setdefault(sentence[i + offset][0], set()).add(sentence[i][1])
        assert sorted(len(tags) for tags in decided.values()) == [1, 1, 1, 1]
        tags = [tag for sentence in sentences for w, tag in sentence if w == word]
        assert sorted(tags.count(tag) for tag in set(tags)) == [72, 72]
