"""Decoding step by step with kept keys and values: the same numbers as the whole pass, for less work."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.attention import take
from minigrad.nn.kv_cache import Cache

B, T, S, E = 3, 37, 5, 8                       # T passes 16 and 32, where the arrays grow


@pytest.fixture(autouse=True)
def _float64():
    """Equality to 1e-12 wants float64."""
    mg.set_default_dtype(mg.float64)
    yield
    mg.set_default_dtype(mg.float32)


def stack(kind: str, device: str, **options):
    """Two layers and a final norm."""
    layer = {"encoder": nn.TransformerEncoderLayer, "decoder": nn.TransformerDecoderLayer}[kind]
    whole = {"encoder": nn.TransformerEncoder, "decoder": nn.TransformerDecoder}[kind]
    model = whole(layer(E, 2, 12, **options), 2, nn.LayerNorm(E)).eval()
    return model.to(device)


def host(x) -> np.ndarray:
    return x.detach().cpu().numpy()


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"batch_first": True}, {"bias": False}, {"d_k": 3}],
                         ids=str)
def test_a_step_of_the_encoder_is_a_position_of_the_whole_causal_pass(options, device, rng):
    """At every position, to 1e-12: post-norm and pre-norm, whichever axis comes first elsewhere."""
    model, x = stack("encoder", device, **options), mg.tensor(rng.standard_normal((B, T, E)), device=device)
    first = options.get("batch_first")
    whole = host(model(x if first else mg.swapaxes(x, 0, 1), is_causal=True))
    whole = whole if first else whole.swapaxes(0, 1)
    cache = None
    for t in range(T):
        y, cache = model.step(x[:, t:t + 1], cache)
        np.testing.assert_allclose(host(y)[:, 0], whole[:, t], rtol=0, atol=1e-12)
        assert not y.requires_grad


@pytest.mark.parametrize("padded", [None, "bool", "float"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_step_of_the_decoder_is_a_position_of_the_whole_pass(norm_first, padded, device, rng):
    """With a memory whose end is padding: its keys and its mask are read at the first step only."""
    model = stack("decoder", device, norm_first=norm_first, batch_first=True)
    x, memory = (mg.tensor(rng.standard_normal((B, n, E)), device=device) for n in (T, S))
    pad = np.arange(S) >= np.array([[5], [2], [1]])
    mask = {None: None, "bool": pad, "float": np.where(pad, -np.inf, 0.3)}[padded]
    mask = None if mask is None else mg.tensor(mask, device=device)
    whole = host(model(x, memory, tgt_is_causal=True, memory_key_padding_mask=mask))
    y, cache = model.step(x[:, :1], memory, None, mask)
    np.testing.assert_allclose(host(y)[:, 0], whole[:, 0], rtol=0, atol=1e-12)
    for t in range(1, T):
        y, cache = model.step(x[:, t:t + 1], memory * 0.0, cache)      # the cache has what it needs
        np.testing.assert_allclose(host(y)[:, 0], whole[:, t], rtol=0, atol=1e-12)


def test_several_positions_may_come_at_once(device, rng):
    """A prompt in one call, then two more positions: none of them sees a later one."""
    model, x = stack("encoder", device), mg.tensor(rng.standard_normal((B, T, E)), device=device)
    whole = host(model(mg.swapaxes(x, 0, 1), is_causal=True)).swapaxes(0, 1)
    a, cache = model.step(x[:, :20])
    b, cache = model.step(x[:, 20:22], cache)
    c, cache = model.step(x[:, 22:], cache)
    np.testing.assert_allclose(np.concatenate([host(y) for y in (a, b, c)], 1), whole, rtol=0, atol=1e-12)


def test_learned_and_zero_keys_are_seen_by_every_step(device, rng):
    """add_bias_kv and add_zero_attn: at each step once, not once a step."""
    attn = nn.MultiheadAttention(E, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True).to(device)
    x = mg.tensor(rng.standard_normal((B, 6, E)), device=device)
    whole = host(attn(x, x, x, is_causal=True)[0])
    cache = None
    for t in range(6):
        y, cache = attn.step(x[:, t:t + 1], cache)
        np.testing.assert_allclose(host(y)[:, 0], whole[:, t], rtol=0, atol=1e-12)


def test_take_goes_on_with_the_chosen_rows(device, rng):
    """Beams: a hypothesis is continued twice, another is given up; memory and masks go along."""
    model = stack("decoder", device, batch_first=True)
    x, memory = (mg.tensor(rng.standard_normal((B, n, E)), device=device) for n in (6, S))
    mask = mg.tensor(np.arange(S) >= np.array([[5], [2], [1]]), device=device)
    whole = host(model(x, memory, tgt_is_causal=True, memory_key_padding_mask=mask))
    _, cache = model.step(x[:, :4], memory, None, mask)
    rows = [2, 2, 0, 1]
    y, _ = model.step(x[:, 4:][rows], memory, take(cache, rows))
    np.testing.assert_allclose(host(y), whole[rows, 4:], rtol=0, atol=1e-12)
    assert take(None, rows) is None and take((cache, None), rows)[1] is None


def test_a_cache_can_be_continued_twice(device, rng):
    """Two continuations of one prefix must not write into each other's memory."""
    model, x = stack("encoder", device), mg.tensor(rng.standard_normal((B, 12, E)), device=device)
    other = mg.tensor(rng.standard_normal((B, 12, E)), device=device)
    _, prefix = model.step(x[:, :5])
    _, one = model.step(x[:, 5:6], prefix)
    _, two = model.step(other[:, 5:6], prefix)
    first, _ = model.step(x[:, 6:7], one)
    second, _ = model.step(other[:, 6:7], two)
    for got, tail in ((first, x), (second, other)):
        sequence = mg.concat([x[:, :5], tail[:, 5:7]], 1)
        want = host(model(mg.swapaxes(sequence, 0, 1), is_causal=True)).swapaxes(0, 1)[:, -1]
        np.testing.assert_allclose(host(got)[:, 0], want, rtol=0, atol=1e-12)


def test_a_cache_copies_less_than_twice_what_it_holds(rng):
    """Doubling: 1,000 appended steps move at most 2,000 rows; joining the arrays anew each time would move 500,000."""
    row, moved = mg.tensor(rng.standard_normal((1, 1, 1, 2))), 0
    cache = Cache(row[:, :, :0], row[:, :, :0])
    for _ in range(1000):
        before = cache._keys
        cache = cache.append(row, row)
        moved += 0 if cache._keys is before else cache.length
    assert cache.length == 1000 and moved < 2000
    np.testing.assert_array_equal(cache.keys.numpy(), np.broadcast_to(row.numpy(), (1, 1, 1000, 2)))


def test_steps_use_forward_hooks(rng):
    """A hook on a part sees each step."""
    model, seen = stack("encoder", "cpu"), []
    model.layers[0].linear1.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    x = mg.tensor(rng.standard_normal((B, 2, E)))
    _, cache = model.step(x[:, :1])
    model.step(x[:, 1:], cache)
    assert seen == [(B, 1, 12)] * 2
