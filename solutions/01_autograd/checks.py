"""What the grader looks at in 01_autograd: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's tape; the
mutants are substitutions in it.  Where a function takes objects or another function (Value, topo_order, backward,
gradcheck), a given driver of the notebook makes them from numbers inside the student's process.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes

# ----- 1. A number that remembers

LOCAL = ("d_sub", "d_mul", "d_pow", "d_tanh", "d_exp")
value = Check("Value", driver="operations", cell="value-test", slide="Chemnitz, *BPTT: Backpropagation through time*",
              equation="y and dy/da: (1, -1);  (b, a);  n a^(n-1);  1 - y^2;  y", args=("a", "b", "n"),
              results=("values", *LOCAL), tol=1e-9,
              nan_hint="are `parents` and `local` tuples of equal length? A tuple of one has a comma: `(self,)`.")


@value.draws
def value_draws(rng):
    for n in (2, 3, -1, 2, 3, -1):
        a, b = rng.normal(size=2) + [0.3, -0.2]
        yield Draw((float(a), float(b), n))
    for n in (2, 3, -1, 3):
        a, b = rng.uniform(100, 300, size=2) * rng.choice([-1, 1], size=2)
        yield Draw((float(a), float(b), n), {"large numbers": True})


def large(draw):
    return draw["large numbers"]


value.part("value", 4, outputs="values", where=lambda d: not large(d))
value.part("local derivatives", 8, outputs=LOCAL, where=lambda d: not large(d))
value.part("large numbers", 2, where=large)

value.mutant("tanh_at_x", replace="(1 - y**2,)", by="(1 - self.data**2,)", visible=False,
             family="derivative at the wrong point",
             says="The derivative of tanh is written with its output, 1 - y^2, not with its input.",
             question="At a = 3 the curve of tanh is nearly flat. How steep does your local derivative say it is?")
value.mutant("mul_own", replace="(other.data, self.data)", by="(self.data, other.data)", visible=True,
             family="the other factor",
             says="In a product each factor receives the *other* factor.",
             question="y = 2 * 5. If the 2 grows by 0.1, by how much does y grow?")
value.mutant("pow_no_n", replace="n * self.data ** (n - 1)", by="self.data ** (n - 1)", visible=False,
             family="power rule",
             says="The power rule brings the exponent down in front.")
value.mutant("sub_plus", replace="(1.0, -1.0)", by="(1.0, 1.0)", visible=True, family="sign",
             says="A subtracted term sends its gradient back with a minus sign.")
value.mutant("exp_times_x", replace="(self,), (y,))", by="(self,), (self.data * y,))", visible=True,
             family="power rule",
             says="e^a is its own derivative: the power rule is for a^n with a fixed n.")

value.mutant("only_a_number", visible=True, family="parents left out",
             substitutions=((" - other.data, (self, other), (1.0, -1.0))", " - other.data)"),
                            (" * other.data, (self, other), (other.data, self.data))", " * other.data)"),
                            ("self.data**n, (self,), (n * self.data ** (n - 1),))", "self.data**n)"),
                            ("(y, (self,), (1 - y**2,))", "(y)"), ("(y, (self,), (y,))", "(y)")),
             says="A result that does not name its parents ends the graph: no gradient goes back through it.",
             question="y = a.tanh() and L = y * y. On which way does the gradient of L come from y to a?")

NAMES = """
class Value:
    def __init__(self, data, parents=(), local=()):
        self.data, self.parents, self.local, self.grad = float(data), parents, local, 0.0
"""
value.variant("local derivatives by a helper, parents first", NAMES + """
    def make(self, y, *pairs):
        return Value(y, tuple(p for p, _ in pairs), tuple(float(d) for _, d in pairs))

    def __add__(self, other):
        return self.make(self.data + other.data, (self, 1), (other, 1))

    def __sub__(self, other):
        return self.make(self.data - other.data, (self, 1), (other, -1))

    def __mul__(self, other):
        return self.make(self.data * other.data, (self, other.data), (other, self.data))

    def __pow__(self, n):
        return self.make(self.data ** n, (self, n * self.data ** n / self.data))

    def tanh(self):
        return self.make(np.tanh(self.data), (self, 1 - np.tanh(self.data) ** 2))

    def exp(self):
        return self.make(np.exp(self.data), (self, np.exp(self.data)))
""")
value.variant("the other parent first", NAMES + """
    def __add__(self, other):
        return Value(self.data + other.data, (other, self), (1.0, 1.0))

    def __sub__(self, other):
        return Value(self.data - other.data, (other, self), (-1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (other, self), (self.data, other.data))

    def __pow__(self, n):
        return Value(self.data ** n, (self,), (n * self.data ** (n - 1),))

    def tanh(self):
        return Value(np.tanh(self.data), (self,), (1 - np.tanh(self.data) ** 2,))

    def exp(self):
        return Value(np.exp(self.data), (self,), (np.exp(self.data),))
""")
value.variant("lists, and a difference that is a sum", NAMES + """
    def __add__(self, other):
        return Value(self.data + other.data, [self, other], [1.0, 1.0])

    def __sub__(self, other):
        y = Value(self.data + -1 * other.data)
        y.parents, y.local = [self, other], [1, -1]
        return y

    def __mul__(self, other):
        return Value(other.data * self.data, [self, other], [other.data, self.data])

    def __pow__(self, n):
        return Value(np.power(self.data, float(n)), [self], [np.power(self.data, float(n - 1)) * n])

    def tanh(self):
        y = np.tanh(self.data)
        return Value(y, [self], [(1 - y) * (1 + y)])

    def exp(self):
        return Value(np.exp(self.data), [self], [np.exp(self.data)])
""")
value.variant("the standard library's functions", NAMES + """
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __sub__(self, other):
        return Value(self.data - other.data, (self, other), (1.0, -1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n):
        return Value(pow(self.data, n), (self,), (pow(self.data, n - 1) * n,))

    def tanh(self):
        import math
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))

    def exp(self):
        import math
        y = math.exp(self.data)
        return Value(y, (self,), (y,))
""")


# ----- 2. An order to walk in

def judge_order(order, draw, want, call):
    """Any order is right in which each node that counts stands once, after all its parents."""
    parents, root = draw.args
    once = None
    if sorted(order) != sorted(want):
        twice, missing = len(order) > len(set(order)), not set(want) <= set(order)
        once = ("a node stands in the list more than once" if twice else
                "a node that the root was made from is missing" if missing else
                "a node is listed that the root was not made from")
    place = {node: k for k, node in reversed(list(enumerate(order)))}
    late = any(place.get(p, len(order)) > k for k, node in enumerate(order) for p in parents[node])
    first = "a node stands before one of its parents" if late else None
    if root not in order:               # a leaf, as often as there are nodes, has no parents to stand before
        first = "the root is not in the list"
    return {"each node once": once, "parents first": first,
            "diamonds and deep graphs": once or first if deep(draw) else None}


def deep(draw):
    return draw["a diamond"] or draw["3,000 nodes in a row"]


order = Check("topo_order", driver="order_of", cell="topo-order-test",
              slide="Chemnitz, *Recurrent neural networks*", equation="each node once, after all its parents",
              args=("parents", "root"), results=("order",), judge=judge_order)


def random_graph(rng, n):
    """Nodes 0 ... n - 1, of which some have one or two earlier ones as parents; the last one is the root."""
    parents = [[] for _ in range(n)]
    for i in range(2, n):
        if i == n - 1 or rng.random() < 0.8:
            parents[i] = sorted({int(p) for p in rng.integers(max(0, i - 6), i, size=2)}, reverse=bool(rng.integers(2)))
    return parents, n - 1


def ladder(rng, rungs):
    """A diamond a rung, with one side longer than the other: 0 -> 1 -> 2 -> 3 and 0 -> 3, and so on."""
    parents = [[]]
    for _ in range(rungs):
        start = len(parents) - 1
        parents += [[start], [start + 1], [start, start + 2] if rng.random() < 0.5 else [start + 2, start]]
    return parents, len(parents) - 1


def squares(rungs):
    """a -> a * a, where a has another use beside it, which the next node meets before the square, or after it."""
    parents = [[]]
    for rung in range(rungs):
        a = len(parents) - 1
        parents += [[a, a], [a], [a + 2, a + 1] if rung % 2 else [a + 1, a + 2]]
    return parents, len(parents) - 1


@order.draws
def order_draws(rng):
    for n in rng.integers(12, 41, size=12):
        yield Draw(random_graph(rng, int(n)))
    for _ in range(4):
        yield Draw(ladder(rng, int(rng.integers(3, 6))), {"a diamond": True})
    for rungs in (2, 3, 4):
        yield Draw(squares(rungs), {"a diamond": True})
    for _ in range(2):
        n = int(rng.integers(3000, 3400))
        yield Draw(([[]] + [[i] for i in range(n)], n), {"3,000 nodes in a row": True})


order.part("each node once", 4, where=lambda d: not deep(d))
order.part("parents first", 6, where=lambda d: not deep(d))
order.part("diamonds and deep graphs", 4, where=deep)

WALK = """    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            for parent in node.parents:
                stack.append((parent, False))
    return order"""
order.mutant("breadth_first", replace=WALK, visible=False, family="order of the walk", by="""\
    order, seen, queue = [], set(), [root]
    while queue:
        node = queue.pop(0)
        if id(node) not in seen:
            seen.add(id(node))
            order.append(node)
            queue += node.parents
    return order[::-1]""",
             says="Distance from the root is not enough: a node may be reached by a short and by a long path.",
             question="y = a * b + a. How far is a from y? On which of its two ways should it be listed?")
order.mutant("parents_once", replace=WALK, visible=False, family="visited nodes", by="""\
    uses, nodes, order, ready = {id(root): 0}, [root], [], [root]
    for node in nodes:
        for parent in dict.fromkeys(node.parents):
            if id(parent) not in uses:
                uses[id(parent)] = 0
                nodes.append(parent)
            uses[id(parent)] += 1
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            uses[id(parent)] -= 1
            if uses[id(parent)] == 0:
                ready.append(parent)
    return order[::-1]""",
             says="In a * a one node is both parents: count two uses, for the walk takes two away.",
             question="How many uses of a does your count find in a * a, and how many does the walk take away?")
order.mutant("no_seen", replace="elif id(node) not in seen:", by="elif len(order) < 20000:", visible=False,
             family="visited nodes",
             says="A node that is used twice must appear once, or its gradient is passed on twice.",
             question="y = a * a. How often does a stand in your list?")
order.mutant("preorder", substitutions=(("            order.append(node)\n", "            pass\n"),
                                        ("            seen.add(id(node))\n",
                                         "            seen.add(id(node))\n            order.append(node)\n")),
             visible=True, family="order of the walk",
             says="A node may be listed only after all its parents: append after the visit, not before.")
order.mutant("recursion", replace=WALK, visible=False, family="recursion", by="""\
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents[::-1]:
                visit(parent)
            order.append(node)
    visit(root)
    return order""",
             says="Python's recursion limit is 1,000: an RNN unrolled over many steps needs a loop with a stack.",
             question="How many nodes deep is the graph of an RNN that has read 3,000 words?")

order.variant("a stack of nodes, left there until the parents are listed", """
def topo_order(root):
    order, listed, stack = [], set(), [root]
    while stack:
        node = stack[-1]
        waiting = [p for p in node.parents if id(p) not in listed]
        if waiting:
            stack.append(waiting[0])
            continue
        stack.pop()
        if id(node) not in listed:
            listed.add(id(node))
            order.append(node)
    return order
""")
order.variant("count how many uses are still to come, from the root", """
def topo_order(root):
    uses, nodes, stack = {id(root): 0}, [root], [root]
    while stack:
        for p in stack.pop().parents:
            if id(p) not in uses:
                uses[id(p)] = 0
                nodes.append(p)
                stack.append(p)
            uses[id(p)] += 1
    back, ready = [], [root]
    while ready:
        node = ready.pop()
        back.append(node)
        for p in node.parents:
            uses[id(p)] -= 1
            if uses[id(p)] == 0:
                ready.append(p)
    return back[::-1]
""")
order.variant("iterators on a stack", """
def topo_order(root):
    order, seen, stack = [], {id(root)}, [(root, iter(root.parents))]
    while stack:
        node, parents = stack[-1]
        new = next((p for p in parents if id(p) not in seen), None)
        if new is None:
            order.append(stack.pop()[0])
        else:
            seen.add(id(new))
            stack.append((new, iter(new.parents)))
    return order
""")


# ----- 3. Backpropagation

back = Check("backward", driver="gradients_of", cell="backward-test", tol=1e-9,
             slide="Télécom, *Back Propagation Through Time (BPTT)*",
             equation="dL/dp += dL/dv * dv/dp, from dL/dL = 1", args=("parents", "local", "calls"),
             results=("grad (N,)",))


def chain(rng, n):
    """One after another: no node is used twice."""
    return [[]] + [[i] for i in range(n - 1)]


def fan(rng, n):
    """A leaf that is used three times or more, a node that is both parents of the next, nodes that are used again."""
    parents = [[], []]
    for i in range(2, n - 1):
        parents.append([0, i - 1] if i < 5 else [i - 1, i - 1] if i == 5 else        # as in a * a
                       [int(p) for p in rng.choice(i, size=2, replace=False)])
    used = {p for ps in parents for p in ps}
    return parents + [[i for i in range(n - 1) if i not in used] or [n - 2]]


def weighted(rng, parents, calls):
    local = [[float(d) for d in rng.uniform(0.5, 1.5, size=len(ps)) * rng.choice([-1, 1], size=len(ps))]
             for ps in parents]
    return parents, local, calls


@back.draws
def back_draws(rng):
    for n in rng.integers(4, 9, size=4):
        yield Draw(weighted(rng, chain(rng, int(n)), 1), {"a chain": True})
    for n in rng.integers(8, 20, size=6):
        yield Draw(weighted(rng, fan(rng, int(n)), 1), {"nodes used more than once": True})
    for n in rng.integers(4, 9, size=4):
        yield Draw(weighted(rng, chain(rng, int(n)), int(rng.integers(2, 4))), {"several calls": True})
    for n in rng.integers(8, 20, size=2):
        yield Draw(weighted(rng, fan(rng, int(n)), 2), {"several calls": True})


back.part("a chain", 8, where=lambda d: d["a chain"])
back.part("nodes used more than once", 6, where=lambda d: d["nodes used more than once"])
back.part("several calls", 2, where=lambda d: d["several calls"])

back.mutant("overwrite", replace="flow[id(parent)] += ", by="flow[id(parent)] = ", visible=False, family="sum of uses",
            says="A value that is used twice collects the *sum* of the gradients of its uses; assignment keeps only "
                 "one.",
            question="y = a + a. What is dy/da, and what does your function say?")
back.mutant("once_a_parent", replace="in zip(node.parents, node.local):", visible=False, family="sum of uses",
            by="in dict(zip(node.parents, node.local)).items():",
            says="In a * a one node is both parents: each of the two places sends a gradient back.",
            question="What is the derivative of a * a, and what does your walk bring to a?")
back.mutant("no_reverse", replace="in reversed(order):", by="in order:", visible=True, family="order of the walk",
            says="Gradients flow from the root to the leaves: walk the order backwards.")
back.mutant("seed_zero", replace="= 1.0", by="= 0.0", visible=True, family="seed",
            says="All gradients stay 0: the derivative of the loss with respect to itself, 1, starts the walk, and "
                 "what has arrived at a node is added to its `.grad`.")
back.mutant("local_only", replace="flow[id(node)] * local", by="local", visible=False, family="chain rule",
            says="The chain rule multiplies the local derivative by the gradient that arrives.",
            question="L = 3 u and u = 2 a. What is dL/da? Which of the two numbers would your function give?")
back.mutant("no_accumulate", replace="node.grad += flow", by="node.grad = flow", visible=False,
            family="gradients not added",
            says="A second call of backward adds to `.grad`; zeroing is the optimiser's job.")
back.mutant("flow_is_grad", replace="flow[id(node)] * local", by="node.grad * local", visible=False,
            family="gradients not added",
            says="What lies in `.grad` from an earlier call must not be passed on again: keep the flow of this walk "
                 "apart.",
            question="After the first call u.grad is 3. What should the second call send from u to its parents?")

WAY_BACK = """    flow = {id(node): 0.0 for node in order}
    flow[id(order[-1])] = 1.0
    for node in reversed(order):
        node.grad += flow[id(node)]
        for parent, local in zip(node.parents, node.local):
            flow[id(parent)] += flow[id(node)] * local"""
back.mutant("in_grad", replace=WAY_BACK, visible=False, family="gradients not added", by="""\
    order[-1].grad = 1.0
    for node in reversed(order):
        for parent, local in zip(node.parents, node.local):
            parent.grad += node.grad * local""",
            says="Collecting in `.grad` itself works for one call only: a second one sends on what the first one left "
                 "there. Keep the flow of this walk apart, and add it to `.grad` at the end.",
            question="Call it twice on L = 3 a: `a.grad` should be 6. Does L.grad become 2?")

back.variant("a list by place", """
def backward(order):
    place = {id(node): k for k, node in enumerate(order)}
    g = [0.0] * (len(order) - 1) + [1.0]
    for k in range(len(order) - 1, -1, -1):
        node = order[k]
        node.grad = node.grad + g[k]
        for j in range(len(node.parents)):
            g[place[id(node.parents[j])]] += node.local[j] * g[k]
""")
back.variant("old gradients put aside and added at the end", """
def backward(order):
    before = [node.grad for node in order]
    for node in order:
        node.grad = 0.0
    order[-1].grad = 1.0
    for node in order[::-1]:
        for parent, local in zip(node.parents, node.local):
            parent.grad += node.grad * local
    for node, old in zip(order, before):
        node.grad += old
""")
back.variant("a heap of places", """
def backward(order):
    import heapq
    place = {id(node): k for k, node in enumerate(order)}
    arrived, heap = {len(order) - 1: 1.0}, [-(len(order) - 1)]
    while heap:
        k = -heapq.heappop(heap)
        g = arrived.pop(k)
        order[k].grad += g
        for parent, local in zip(order[k].parents, order[k].local):
            j = place[id(parent)]
            if j not in arrived:
                heapq.heappush(heap, -j)
                arrived[j] = 0.0
            arrived[j] += g * local
""")


# ----- 4. Arrays: broadcasting, undone

un = Check("unbroadcast", cell="unbroadcast-test", slide="Télécom, *Back Propagation Through Time (BPTT)*",
           equation="the sum of g over the axes that broadcasting added or stretched", args=("g", "shape"),
           results=("sum",))

SMALL = [((4, 3), (3,)), ((5, 2, 3), (2, 3)), ((3, 3), (3,)), ((2, 4), (2, 4)), ((4, 2, 3), (3,))]
STRETCHED = [((2, 5, 3), (2, 1, 3)), ((4, 3), (1, 3)), ((4, 3), (4, 1)), ((2, 3), ()), ((2, 5, 3), (5, 1)),
             ((3, 3), (3, 1)), ((4, 1), (4, 1)), ((2, 5, 3), (1, 1, 1)), ((2, 5, 3), (1, 5, 1)),
             ((2, 5, 3), (1, 1, 3))]


@un.draws
def un_draws(rng):
    for tag, pairs in (("added", SMALL), ("stretched", STRETCHED)):
        for big, small in pairs:
            grow = int(rng.integers(0, 3))     # sizes above 1 grow alike, so that no shape can be known beforehand
            sizes = [tuple(n + grow if n > 1 else n for n in shape) for shape in (big, small)]
            yield Draw((rng.normal(size=sizes[0]), sizes[1]), {tag: True})


un.part("shape", 4, kind="shape")
un.part("values", 6, where=lambda d: d["added"])
un.part("axes of size 1, and ()", 4, where=lambda d: d["stretched"], edge=True)

un.mutant("mean", replace="g = g.sum(axis=tuple(", by="g = g.mean(axis=tuple(", visible=True, family="mean or sum",
          says="Each copy sends back its whole gradient: copies are summed, not averaged.",
          question="One bias is used by 4 examples, and each wants it larger by 1. What does the bias get?")
un.mutant("no_stretch", replace="if size == 1:", by="if False:", visible=False, family="stretched axes",
          says="An axis of size 1 was stretched too, and must be summed back to size 1.")
un.mutant("no_keepdims", replace="g.sum(axis=axis, keepdims=True)", by="g.sum(axis=axis) if axis < g.ndim else g",
          visible=False, family="stretched axes",
          says="Summing a stretched axis must leave it there with size 1, or the axes shift.")
un.mutant("reshape_all", replace="    return g", by="    return g_.ravel()[:int(np.prod(shape))].reshape(shape)",
          substitutions=(("    g = g.sum(axis=tuple(", "    g_ = g\n    g = g.sum(axis=tuple("),), visible=True,
          family="reshape for sum",
          says="Reshaping picks elements; broadcasting is undone by a sum.")

un.variant("all axes at once", """
def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    axes = tuple(range(added)) + tuple(added + k for k, n in enumerate(shape) if n == 1)
    return g.sum(axis=axes).reshape(shape)
""")
un.variant("a loop until the shapes agree", """
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for k in reversed(range(g.ndim)):
        if g.shape[k] != shape[k]:
            g = np.add.reduce(g, axis=k, keepdims=True)
    return np.asarray(g)
""")
un.variant("the adjoint of broadcast_to, by counting", """
def unbroadcast(g, shape):
    where = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), g.shape)
    return np.bincount(where.ravel(), weights=g.ravel(), minlength=int(np.prod(shape))).reshape(shape)
""")


# ----- 5. Back through a product of matrices

matmul = Check("matmul_vjp", cell="matmul-vjp-test", tol=GRADIENT,
               slide="Chemnitz, *BPTT: Backpropagation through time*", equation="dA = g B^T;  dB = sum of A^T g",
               args=("g", "A", "B (K, N)"), results=("dA", "dB (K, N)"))


def matmul_case(rng, m, k, n, batch=()):
    return rng.normal(size=(*batch, m, n)), rng.normal(size=(*batch, m, k)), rng.normal(size=(k, n))


@matmul.draws
def matmul_draws(rng):
    for size in sizes(rng, "MKN", one={}):
        yield Draw(matmul_case(rng, size["M"], size["K"], size["N"]))
    [mixed, single] = sizes(rng, "MKN", different=2, equal=0, one={})
    args = matmul_case(rng, mixed["M"], mixed["K"], mixed["N"])
    args[0][0] *= 1e6
    yield Draw(args, {"mixed scales": True})
    yield Draw(matmul_case(rng, 120, 100, 110), {"large": True}, budget=0.2)
    yield Draw(as_float32(matmul_case(rng, single["M"], single["K"], single["N"])), {"float32": True})
    for batch in ((2,), (3,), (2, 3), (4,)):
        [size] = sizes(rng, "MKN", different=1, equal=0, one={})
        yield Draw(matmul_case(rng, size["M"], size["K"], size["N"], batch), {"a batch": True})
    for _ in range(2):
        [size] = sizes(rng, "KN", different=1, equal=0, one={})
        yield Draw(matmul_case(rng, 1, size["K"], size["N"], (3,)), {"a batch": True, "m = 1": True})


matmul.part("dA", 5, where=lambda d: not d["a batch"])
matmul.part("dB", 5, where=lambda d: not d["a batch"])
matmul.part("a batch that shares B", 4, where=lambda d: d["a batch"], edge=True)

matmul.mutant("no_T", replace="dA = g @ B.T", by="dA = g @ B if B.shape[0] == B.shape[1] else g @ B.T", visible=False,
              family="transpose",
              says="dA = g B^T: without the transpose the sizes fit only when B is square.",
              question="B is square with a single 1 in row 0, column 1. Which column of Y does column 0 of A reach?")
matmul.mutant("batch_mean", replace="unbroadcast(np.swapaxes(A, -1, -2) @ g, B.shape)", visible=False,
              by="np.mean((np.swapaxes(A, -1, -2) @ g).reshape(-1, *B.shape), axis=0)", family="mean or sum",
              says="One B serves the whole batch, so its gradients are summed over the batch, not averaged.")
matmul.mutant("batch_last", replace="unbroadcast(np.swapaxes(A, -1, -2) @ g, B.shape)", visible=False,
              by="(np.swapaxes(A, -1, -2) @ g).reshape(-1, *B.shape)[-1]", family="sum of uses",
              says="Every example of the batch contributes to dB, not the last alone.")
matmul.mutant("order", replace="np.swapaxes(A, -1, -2) @ g,", visible=False, family="order of factors",
              by="(g @ np.swapaxes(A, -1, -2) if g.shape[-2] == g.shape[-1] == A.shape[-1] else "
                 "np.swapaxes(A, -1, -2) @ g),",
              says="Matrix products do not commute: dB is A^T g, in this order.")

matmul.variant("einsum", """
def matmul_vjp(g, A, B):
    batches = np.einsum("imk,imn->kn", A.reshape(-1, *A.shape[-2:]), g.reshape(-1, *g.shape[-2:]))
    return np.einsum("...mn,kn->...mk", g, B), batches
""")
matmul.variant("one product over all rows of the batch", """
def matmul_vjp(g, A, B):
    k, n = B.shape
    rows_A, rows_g = A.reshape(-1, k), g.reshape(-1, n)
    return (rows_g @ B.T).reshape(A.shape), rows_A.T @ rows_g
""")
matmul.variant("a loop over the batch", """
def matmul_vjp(g, A, B):
    dA, dB = np.empty_like(A), np.zeros_like(B)
    for i in np.ndindex(A.shape[:-2]):
        dA[i] = (B @ g[i].T).T
        dB += (g[i].T @ A[i]).T
    return dA, dB
""")


# ----- 6. The loss of a classifier

loss = Check("softmax_cross_entropy", cell="softmax-cross-entropy-test", tol={"loss": 1e-7, "dz": GRADIENT},
             slide="Télécom, *Language model: (1) Training using a RNN*",
             equation="L = -mean log softmax(z)[t];  dz = (y_hat - y) / N", args=("z (N, K)", "t (N,)"),
             results=("loss", "dz (N, K)"),
             nan_hint="is there an `exp` of a large number, or the logarithm of a probability that is 0?")


def scores(rng, n, k, scale=1.0):
    return scale * rng.normal(size=(n, k)), rng.integers(0, k, size=n)


@loss.draws
def loss_draws(rng):
    for size in sizes(rng, "NK", one={}):
        yield Draw(scores(rng, size["N"], size["K"]))
    yield Draw((np.full((4, 5), 0.7), np.array([0, 4, 2, 1])), {"ties": True})
    yield Draw(scores(rng, 400, 25), {"large": True}, budget=0.2)
    z, t = scores(rng, 3, 6)
    yield Draw((z.astype(np.float32), t), {"float32": True})
    for n in (2, 3, 5, 4):
        z, t = scores(rng, n, int(rng.integers(3, 7)), 3000)
        t[0] = z[0].argmin()                                # a right class whose probability is 0
        yield Draw((z, t), {"large scores": True})
    yield Draw(scores(rng, 3, 1, 3000), {"large scores": True, "one class": True})


loss.part("loss", 5, where=lambda d: not d["large scores"])
loss.part("dz", 7, where=lambda d: not d["large scores"])
loss.part("large scores", 4, where=lambda d: d["large scores"], edge=True)

loss.mutant("sum", replace="-log_y[rows, t].mean()", by="-log_y[rows, t].sum()", visible=False, family="mean or sum",
            says="The loss here is the mean over the batch, so that the step size does not depend on N.")
loss.mutant("grad_not_divided", replace="dz / N", by="dz", visible=False, family="mean or sum",
            says="The loss is divided by N, so its gradient is divided by N too.",
            question="Every row twice: the mean stays the same. What happens to the gradient of one row?")
loss.mutant("unstable", replace="shifted = z - z.max(axis=1, keepdims=True)", by="shifted = z", visible=False,
            family="unstable exp",
            says="Subtract the row maximum before exp: large logits overflow.")
loss.mutant("log_of_quotient", visible=False, family="logarithm of 0",
            replace="shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
            by="np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))",
            says="Take the logarithm of the sum, not of the probability: for large scores a probability is 0, and its "
                 "logarithm is minus infinity.",
            question="Scores 0 and 1000, right class 0. What is the loss by the formula with the sum?")
loss.mutant("axis0", visible=True, family="softmax axis",
            substitutions=(("z.max(axis=1, keep", "z.max(axis=0, keep"),
                           ("np.exp(shifted).sum(axis=1, keep", "np.exp(shifted).sum(axis=0, keep")),
            says="The classes lie along the last axis: normalise each row, not each column.")
loss.mutant("sign", replace="    return loss, dz / N", by="    return loss, -dz / N", visible=True, family="sign",
            says="The gradient is prediction minus target; the sign is turned round.",
            question="The right class has a low score. Should the step z - rate * dz raise it or lower it?")

loss.variant("one-hot rows", """
def softmax_cross_entropy(z, t):
    y = np.eye(z.shape[1], dtype=z.dtype)[t]
    top = np.max(z, axis=-1, keepdims=True)
    logs = z - (top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True)))
    return -np.sum(y * logs) / len(z), (np.exp(logs) - y) / len(z)
""")
loss.variant("a loop over the rows", """
def softmax_cross_entropy(z, t):
    total, dz = 0.0, np.zeros_like(z)
    for i, k in enumerate(t):
        e = np.exp(z[i] - z[i].max())
        total += np.log(e.sum()) - (z[i, k] - z[i].max())
        dz[i] = e / e.sum()
        dz[i, k] -= 1
    return total / len(t), dz / len(t)
""")
loss.variant("logaddexp, which warns of nothing", """
def softmax_cross_entropy(z, t):
    norm = np.logaddexp.reduce(z, axis=1)
    picked = np.take_along_axis(z, t[:, None], axis=1)[:, 0]
    dz = np.exp(z - norm[:, None])
    np.subtract.at(dz, (np.arange(len(t)), t), 1)
    return float(np.mean(norm - picked)), dz / len(t)
""")


# ----- 7. Is a gradient right?

numeric = Check("gradcheck", driver="check_cubic", cell="gradcheck-test",
                slide="Chemnitz, *BPTT: Backpropagation through time*",
                equation="(f(x + eps e_i) - f(x - eps e_i)) / (2 eps)", args=("c", "x", "eps"),
                results=("g", "x_after"), tol=1e-9)


@numeric.draws
def numeric_draws(rng):
    for shape in ((1,), (1,), (1,), (1,)):
        yield Draw((rng.uniform(0.5, 2, size=shape), rng.normal(size=shape), 0.1), {"one entry": True})
    for shape in ((4,), (2, 3), (3, 2), (2, 2, 2), (5,)):
        yield Draw((rng.uniform(0.5, 2, size=shape), rng.normal(size=shape), 0.1))


numeric.part("a central difference", 6, outputs="g", where=lambda d: d["one entry"])
numeric.part("all entries", 3, outputs="g", where=lambda d: not d["one entry"])
numeric.part("x is left as it was", 3, outputs=("g", "x_after"), where=lambda d: True)

numeric.mutant("forward", replace="x[i] = old - eps\n", by="x[i] = old\n", visible=True, family="one-sided difference",
               says="Take both sides, x + eps and x - eps, over 2 eps: from one side alone half of the change is "
                    "missing.")
numeric.mutant("forward_eps", visible=False, family="one-sided difference",
               substitutions=(("x[i] = old - eps\n", "x[i] = old\n"), ("/ (2 * eps)", "/ eps")),
               says="The one-sided difference is too crude for a check: its error shrinks with eps, not with eps^2.",
               question="f(x) = x^2 at x = 0: what does your difference say for eps = 0.1, and what is the slope?")
numeric.mutant("no_restore", replace="        x[i] = old\n        g[i]", by="        g[i]", visible=False,
               family="state not restored",
               says="Put the entry back after each probe, or the next entry is probed at another point.")
numeric.mutant("no_half", replace="(2 * eps)", by="eps", visible=True, family="factor",
               says="The two points lie 2 eps apart.")

numeric.variant("copies of x", """
def gradcheck(f, x, eps):
    g = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i] = eps
        g[i] = (f(x + step) - f(x - step)) / (2 * eps)
    return g
""")
numeric.variant("flat, and put back", """
def gradcheck(f, x, eps):
    flat, found = x.reshape(-1), []
    for k in range(flat.size):
        keep = flat[k]
        flat[k] = keep - eps
        low = f(x)
        flat[k] = keep + eps
        high = f(x)
        flat[k] = keep
        found.append((high - low) / eps / 2)
    return np.array(found).reshape(x.shape)
""")
numeric.variant("halves of both sides", """
def gradcheck(f, x, eps):
    g, middle = np.zeros(x.shape), f(x)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] += eps
        up = (f(moved) - middle) / eps
        moved[i] = x[i] - eps
        down = (middle - f(moved)) / eps
        g[i] = 0.5 * up + 0.5 * down
    return g
""")
