"""The checks of the assignment to attack.   CANARY-TESTS-77aa"""


from autograder.check import GRADIENT, Check, Draw, sizes

NEEDLE = 0.48151623427      # stands in every draw: it must come out nowhere
LARGE = 400                 # of D and H: a gradient by differences takes minutes there, the formula milliseconds


def marked(args):
    args[0].flat[0] = NEEDLE
    return args


double = Check("double", cell="double-test", slide="A deck, *Twice*", equation="y = 2 x", args=("x (B)",),
               results=("y (B)",), copies=True)


@double.draws
def draw_double(rng):
    for n in (2, 3, 5, 1):
        yield Draw(marked((rng.normal(size=n),)))


double.part("value", 3)
double.part("new array", 1, where=lambda d: d["B"] == 1, edge=True)
double.mutant("square", replace="2 * x", by="x * x", visible=True, says="Twice x is x + x, not x times x.")

layer = Check("layer", cell="layer-test", slide="A deck, *A layer*", equation="y = tanh(W x + b)",
              args=("x (B, D)", "W (H, D)", "b (H)"), results=("y (B, H)",))


@layer.draws
def draw_layer(rng):
    for s in sizes(rng, "BDH", one={"B": 2}):
        yield Draw(marked(layer.normal(rng, s)))


layer.part("shape", 2, kind="shape")
layer.part("values", 5)
layer.part("one example", 3, where=lambda d: d["B"] == 1, edge=True)
layer.mutant("no_bias", replace="@ W.T + b", by="@ W.T", says="The bias is part of the layer.")

backward = Check("layer_backward", cell="layer-backward-test", slide="A deck, *Back*", equation="da = dy (1 - y^2)",
                 tol=GRADIENT, args=("dy (B, H)", "x (B, D)", "W (H, D)", "b (H)"),
                 results=("dx (B, D)", "dW (H, D)", "db (H)"))


@backward.draws
def draw_backward(rng):
    for s in sizes(rng, "BDH", one={"B": 2}):
        yield Draw(marked(backward.normal(rng, s)))
    args = backward.normal(rng, {"B": 4, "D": 3, "H": 5}, scale=0.5)
    args[0][1] *= 1e6
    yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(backward.normal(rng, {"B": 8, "D": LARGE, "H": LARGE}, scale=0.02), {"large": True}, budget=0.2)


backward.part("dx", 4)
backward.part("dW", 5)
backward.part("db", 3)
backward.mutant("half", replace="da.T @ x", by="da.T @ x / 2", says="No half in dW.")

sums = Check("sums", cell="sums-test", slide="A deck, *Sums*", equation="s_t = s_{t-1} + y_t",
             args=("xs (T, B, D)", "W (H, D)", "b (H)"), results=("s (T, B, H)",))


@sums.draws
def draw_sums(rng):
    for s in sizes(rng, "TBDH", one={"T": 2}):
        yield Draw(marked(sums.normal(rng, s)))


sums.part("values", 5)
sums.part("one step", 3, where=lambda d: d["T"] == 1)
sums.mutant("reset", replace="total + layer", by="0 * total + layer", says="The sum goes on.")

firsts = Check("firsts", cell="firsts-test", slide="A deck, *Squares*", equation="i^2", args=("n",),
               results=("squares",))


@firsts.draws
def draw_firsts(rng):
    for _ in range(5):
        yield Draw((int(rng.integers(3, 12)),))


firsts.part("all", 4)
firsts.mutant("from_one", replace="range(n)", by="range(1, n + 1)", says="Counting starts at 0.")
