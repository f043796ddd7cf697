"""The mistakes that engines are built with, as substitutions in minigrad's source, each with the tests that must see it.

A suite is as good as the bugs that it catches. Each of these was made by somebody: in a peer's first release, in a
student's engine, or here. `test_engine_bugs.py` makes each in a copy of the package and runs the named tests there.
"""
from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """One mistake. old stands in the file exactly once; new replaces it; tests and k are pytest's arguments."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    k: str
    says: str


TAPE, OPS, ERRORS = "tests/test_tape.py", "tests/test_ops.py", "tests/test_errors.py"
FUSED, VARIANTS, CONV = (f"tests/nn/test_{name}.py" for name in ("fused_sequences", "fused_variants", "conv_lstm"))

BUGS = [
    # ------------------------------------------------------------------------------------------ the walk
    Bug("second_fan_out_dropped", "backward.py", "pending[target] = add(pending[target], g, target)", "pass", TAPE,
        "used_twice or diamond", "the second gradient of a value that is used twice is lost"),
    Bug("overwrite_instead_of_accumulate", "backward.py", "pending[target] = add(pending[target], g, target)",
        "pending[target] = g", TAPE, "used_twice or diamond", "the last gradient of a value wins"),
    Bug("leaf_keeps_its_last_use", "backward.py",
        "(target, add(leaves[id(target)][1], g, target) if id(target) in leaves else g)", "(target, g)", TAPE,
        "shared_over_time", "a weight shared over time keeps the gradient of one step"),
    Bug("second_backward_overwrites_grad", "backward.py", "leaf.grad.data = leaf.grad.data + g.data",
        "leaf.grad.data = g.data", TAPE, "two_losses", "gradient accumulation over batches is lost"),
    Bug("backward_in_order_of_insertion", "backward.py", "heapq.heappush(heap, (-target.id, target))",
        "heapq.heappush(heap, (tape._next(), target))", TAPE, "waits_for_all",
        "a node is walked before all gradients of its value have come"),
    Bug("accumulate_in_place_into_a_shared_array", "backward.py", "if create_graph or id(target) not in sums:",
        "if create_graph:", TAPE, "two_operands", "add hands one array to both operands; adding into it changes both"),
    Bug("stored_gradients_share_memory", "backward.py", "if kept.base is not None or id(g) in shared:", "if False:", TAPE,
        "do_not_share_memory", "clipping one gradient in place clips another"),
    Bug("several_outputs_overwrite", "backward.py",
        "slots[target.index] = g if slots[target.index] is None else slots[target.index] + g", "slots[target.index] = g",
        "tests/nn/test_rnn.py", "agrees or pytorchs", "an output of split or unbind that is used twice"),
    Bug("broadcast_not_undone", "backward.py", "        if g.shape != target.shape:\n", "        if False:\n", OPS,
        "stretched_operand", "the bias's gradient keeps the batch's axis"),
    Bug("bias_gradient_averaged", "backward.py", "out = g.sum(axis=", "out = g.mean(axis=", OPS, "stretched_operand",
        "the gradient of a stretched operand is a sum over the batch, not a mean"),
    Bug("only_the_leading_axes_are_summed", "backward.py", "axis=(*range(lead), *stretched)", "axis=tuple(range(lead))",
        OPS, "stretched_operand", "(4, 1) + (1, 4): the axis of one is forgotten"),
    Bug("seed_is_not_one", "backward.py", "return tape._wrap(y.device.xp.ones_like(y.data), y.device, y.dtype)",
        "return tape._wrap(y.device.xp.full_like(y.data, 2), y.device, y.dtype)", TAPE, "used_twice or diamond",
        "every gradient is twice as large"),
    Bug("hooks_run_twice", "backward.py", "answer = hook(seen)\n", "answer = (hook(seen), hook(seen))[1]\n", TAPE, "hook",
        "a hook with a side effect, or one that scales, acts twice"),
    Bug("graph_is_never_freed", "backward.py", "        if not retain:\n", "        if False:\n", f"{TAPE} {ERRORS}",
        "frees or second_backward", "memory grows with every stored loss; a stale graph is walked in silence"),
    Bug("widened_gradients_pass", "backward.py", "if g.dtype is not target.dtype and g.dtype != target.dtype:",
        "if False:", "tests/test_errors_whole.py", "widens", "a float64 gradient reaches a float32 weight"),
    Bug("overwritten_values_pass", "backward.py", "if tape._last_write > node.id:", "if False:", ERRORS,
        "overwritten or view", "backward computes with values that were written since"),
    Bug("nested_functions_are_not_looked_into", "backward.py", "    if type(value) is FunctionType:\n",
        "    if False:\n", "tests/test_errors_whole.py", "nested", "a value that only an inner function saved is missed"),
    # ------------------------------------------------------------------------------------------ the tape
    Bug("no_grad_records", "tensor.py", "if _recording and tracked and vjp is not None:",
        "if tracked and vjp is not None:", TAPE, "no_grad", "evaluation builds a graph"),
    Bug("detach_keeps_the_history", "tensor.py", "out = Tensor(self.data, False, self.device)\n        out.version",
        "out = Tensor(self.data, self.requires_grad, self.device)\n        out.edge = self.edge\n        out.version", TAPE,
        "detach", "the state of the last batch drags its graph along"),
    Bug("a_view_has_its_own_version", "tensor.py", "                out.version = x.version\n",
        "                pass\n", ERRORS, "view", "a write through a row is not seen"),
    Bug("numpy_scalars_widen", "tensor.py", "x = x.item()               # a NumPy", "pass               # a NumPy", TAPE,
        "dtype_and_shape", "np.float64(1.5) * x turns a float32 network into float64 (NEP 50)"),
    Bug("a_node_holds_its_output", "tensor.py", "node.ref = weakref.ref(out)", "node.ref = lambda: out",
        f"{TAPE} tests/test_memory.py", "memory or steps", "a reference cycle: memory waits for the collector"),
    # ------------------------------------------------------------------------------------------ primitives
    Bug("tanh_slope_at_x", "ops.py", "y = xp.tanh(a)\n    return y, lambda g: (g * (1 - y * y),)",
        "y = xp.tanh(a)\n    return y, lambda g: (g * (1 - a * a),)", OPS, "elementwise and tanh",
        "tanh' is 1 - tanh(x)^2, not 1 - x^2"),
    Bug("relu_passes_at_zero", "ops.py", "lambda g: (g * (y > 0),)", "lambda g: (g * (y >= 0),)", OPS,
        "elementwise and relu", "y is never below 0: everything passes"),
    Bug("ties_doubled", "ops_select.py", "share = hit / xp.sum(hit, axis=axis, keepdims=True)", "share = hit", OPS, "ties",
        "two equal maxima get the whole gradient each"),
    Bug("softmax_without_its_sum", "ops.py", "lambda g: (y * (g - xp.sum(g * y, axis=axis, keepdims=True)),)",
        "lambda g: (y * (1 - y) * g,)", OPS, "softmax and layout", "the diagonal of the Jacobian alone"),
    Bug("masked_row_gives_nan", "ops.py",
        "top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))       # -inf minus -inf is NaN", "pass", OPS, "masked",
        "a fully masked attention row"),
    Bug("mean_forgets_the_count", "ops.py", "(_stretch(xp, g / n, shape, axis, keepdims),)",
        "(_stretch(xp, g, shape, axis, keepdims),)", OPS, "mean and layout", "the gradient of a mean is that of a sum"),
    Bug("transpose_with_the_same_axes", "ops.py", "lambda g: (xp.transpose(g, inverse),)",
        "lambda g: (xp.transpose(g, axes),)", OPS, "swap_3d",
        "a cycle of three axes is not its own inverse"),
    Bug("product_without_a_transpose", "ops.py", "lambda: xp.matmul(g, xp.swapaxes(right, -1, -2)), db",
        "lambda: xp.matmul(g, right), db", OPS, "gradient_of_a_product", "da = g b^T"),
    Bug("an_id_twice_counts_once", "ops.py", "        add_at(xp, y, index, a)\n", "        y[index] = a\n", OPS, "ids_twice",
        "a word that occurs twice in a batch is trained once"),
    Bug("where_gives_both_sides_all", "ops.py", "lambda: xp.where(condition, xp.zeros_like(g), g))", "lambda: g)", OPS,
        "where", "the side that was not chosen is trained too"),
    # ------------------------------------------------------------------------------------------ layers and optimisers
    Bug("recurrent_weights_from_the_last_step", "nn/fused/rnn.py", "lambda: np.dot(ds, zs()[0][:H].T)",
        "lambda: np.dot(ds[:, -B:], zs()[0][:H, -B:].T)", FUSED, "fused_is_readable",
        "W_hh is used at every step: its gradient is a sum over time"),
    Bug("clip_norm_of_each_tensor", "optim/clip.py", "        g.data *= scale\n",
        "        g.data *= xp.minimum(max_norm / (xp.sqrt(xp.sum(g.data * g.data)) + 1e-6), 1.0)\n", "tests/test_optim.py",
        "clipping", "the norm is that of all gradients together"),
    Bug("adam_without_bias_correction", "optim/methods.py", "root = math.sqrt(1 - b2 ** step)", "root = 1.0",
        "tests/test_optim.py", "trajectory", "the first steps are too small by a factor of 30"),
    # ------------------------------------------------------------------------------------------ fused sequences
    Bug("forget_gate_left_out_of_the_way_back", "nn/fused/lstm.py", "            multiply(dc, gates[k, 1], dc)\n", "", FUSED,
        "fused_is_readable", "dc passes from step to step as if every f were 1"),
    Bug("cell_gradient_before_the_output_gate", "nn/fused/lstm.py", "            add(dc, u, dc)\n", "", FUSED,
        "fused_is_readable", "what h_t = o tanh c_t sends to c is lost"),
    Bug("peeps_into_a_step_that_does_not_exist", "nn/fused/lstm.py", "                dh[:, out], dc[:, out] = kept\n",
        "                dh[:, out] = kept[0]\n", FUSED, "have_ended", "the gradient of c passes the padding by, not through it"),
    Bug("padding_is_part_of_the_sequence", "nn/fused/gru.py", "            np.copyto(new, h, where=out)\n", "            pass\n",
        FUSED, "have_ended", "the last state is that of the padding"),
    Bug("reset_gate_misses_the_recurrent_bias", "nn/fused/gru.py", "s.q[e], p[:, 0]",
        "s.q[e] - s.bias, p[:, 0]", FUSED, "fused_is_readable", "PyTorch's r multiplies W_hn h + b_hn"),
    Bug("update_gate_keeps_nothing", "nn/fused/gru.py", "        add(dh, g, dh)\n", "", FUSED, "fused_is_readable",
        "the direct path z of dh is lost"),
    Bug("an_embedding_counts_each_id_once", "nn/fused/embedding_lstm.py", "return np.dot(ds, zs()[0][H:].T)",
        "return np.dot(ds, zs()[0][H:].T) / np.maximum(zs()[0][H:].sum(1), 1)", FUSED, "joined_node",
        "the gradient of a row is a mean over its uses"),
    Bug("output_gate_sees_the_old_cell", "nn/fused/peephole.py", "            see(p, c, seen_by_dot)\n",
        "            see(p, g_c[1], seen_by_dot)\n", VARIANTS, "readable_step_over_time and full",
        "o looks at c_{t-1}: the slide gives it C_t"),
    Bug("peephole_of_a_late_starter_gets_no_gradient", "nn/fused/peephole.py",
        "        if p is not None:\n            seen_by(d_oif)\n        if out is not None:                    # i and f of the next step did see the c that passes by\n            kept_c = dc[:, out]\n",
        "        if out is not None:\n            kept_c = dc[:, out]\n        if p is not None:\n            seen_by(d_oif)\n",
        VARIANTS, "what_it_is_alone and full", "in the reverse direction c_0 passes the padding by, and its first reader is forgotten"),
    Bug("shortcut_reads_the_start_too_early", "nn/fused/shortcuts.py",
        "            if early is not None:\n                copyto(later, 0, where=early)", "            if False:\n                copyto(later, 0, where=early)",
        VARIANTS, "what_it_is_alone and skip3", "a short example in the reverse direction sees its start once for every step of padding"),
    Bug("shortcut_loses_the_start", "nn/fused/shortcuts.py", "    if 0 < skip <= T:", "    if False:", VARIANTS,
        "readable_step_over_time and skip1", "h_0 is also the h_{t-k} of step k: half of its gradient is gone"),
    Bug("reset_gate_of_the_wrong_place", "nn/fused/gru_before.py", "across[H + D + 1:].T", "across[:H].T", VARIANTS,
        "readable_step_over_time and gru", "the gradient of W_hn with h where the product had r h"),
    Bug("windows_of_the_wrong_step", "nn/fused/conv_lstm.py", "            for seen, d in zip(s.seen,",
        "            for seen, d in zip(s.seen[1:] + s.seen[:1],", CONV, "readable_step_over_time",
        "the gradient of a convolutional W_hh with h_t where the product had h_{t-1}"),
    Bug("windows_flow_into_the_next_picture", "nn/fused/conv_lstm.py", "n = B * (high + below) * line", "n = B * high * line",
        CONV, "readable_step_over_time", "no rows between the pictures: the gradient of one example's border falls into the next"),
    Bug("kernel_not_flipped_in_backward", "nn/fused/conv_lstm.py", "s = (i - below) * line + j - beside",
        "s = (below - i) * line + beside - j", CONV, "readable_step_over_time", "the gradient of a convolution is a convolution with the kernel turned round"),
    # ------------------------------------------------------------------------------------------ memory
    Bug("checkpoint_walks_into_the_outer_graph", "memory.py", "            x.edge = x.hooks = None\n", "            pass\n",
        "tests/test_memory.py", "from_around or hooks", "values from around the function get their gradient twice"),
    Bug("checkpoint_draws_other_random_numbers", "memory.py", "= generator.bit_generator.state, state\n",
        "= generator.bit_generator.state, generator.bit_generator.state\n", "tests/test_memory.py", "random",
        "the dropout mask of backward is not that of forward"),
]
