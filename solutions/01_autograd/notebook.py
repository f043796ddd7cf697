# %% [markdown]
r"""
# 01 From a scalar Value to the gradients of arrays

At the end of this notebook a small network separates two moons, and every derivative that teaches it to comes from an
engine that you wrote. On the way you build

1. a number that remembers how it was made, with its local derivatives;
2. the order in which a graph has to be walked, and the walk itself: backpropagation;
3. the same for arrays: broadcasting undone, the product of matrices, the loss of a classifier;
4. the tool that tells you whether a gradient is right.

Seven functions, about 5 hours of writing and 3 hours for slides, pictures and questions. The minutes are given with
each part. Every part starts from given numbers, so you can leave one open and go on; only the last picture puts the
parts together. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("01_autograd", functions=[
    "Value", "topo_order", "backward", "unbroadcast", "matmul_vjp", "softmax_cross_entropy", "gradcheck",
])

# %% [markdown]
r"""
## Letters

- **$L$** is the loss, one number. $\partial L/\partial v$ is the *gradient* of $v$: how fast $L$ grows when $v$ alone
  grows. In code it is `v.grad`, or `dv` for an array.
- A **node** is a number of a computation; its **parents** are the numbers that it was computed from. In the product
  $y = a\,b$ the parents of $y$ are $a$ and $b$. A **leaf** is a number that was given: it has no parents.
- A **local derivative** is $\partial y/\partial a$ for one operation alone, with all else held still. KTH's drawings
  put one at each arrow.
- **Rows are examples.** The decks write a column, $W \times x$; a batch here is an array with one example a row.
- **A loss of several examples is their mean** in part 6. What is a sum and what a mean is said each time.
"""

# %% [markdown]
r"""
## 1. A number that remembers

*45 minutes, 14 points. Chemnitz, BPTT: Backpropagation through time; KTH, BPTT Step by Step.*

A `Value` holds a number, the Values it was made from, and one local derivative for each of them. The sum is written
for you: it has two parents, and $\partial(a + b)/\partial a = \partial(a + b)/\partial b = 1$. Write the other five:

| operation | value $y$ | local derivatives |
|---|---|---|
| `a + b` | $a + b$ | $(1,\ 1)$ (given) |
| `a - b` | $a - b$ | $\partial y/\partial a,\ \partial y/\partial b$ |
| `a * b` | $a\,b$ | $\partial y/\partial a,\ \partial y/\partial b$ |
| `a ** n` | $a^n$ | $\partial y/\partial a$ ($n$ is a plain number, no Value) |
| `a.tanh()` | $\tanh a$ | $1 - y^2$, written with the *output* |
| `a.exp()` | $e^a$ | $\partial y/\partial a$ |
"""

# %% nbgrader={"grade_id": "value", "grade": false, "locked": false, "schema_version": 3, "solution": true}
class Value:
    """A number, the Values that it was made from, and its derivative by each of them.

    data: a float;  parents: a tuple of Values;  local: a tuple of floats, one a parent;  grad: filled by `backward`

    Example: y = Value(2.0) * Value(5.0) has y.data 10.0 and y.local (5.0, 2.0).
    """

    def __init__(self, data, parents=(), local=()):
        self.data, self.parents, self.local, self.grad = float(data), parents, local, 0.0

    def __repr__(self):
        return f"Value({self.data:.4g})"

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __sub__(self, other):
        """self - other"""
        ### BEGIN SOLUTION
        return Value(self.data - other.data, (self, other), (1.0, -1.0))
        ### END SOLUTION

    def __mul__(self, other):
        """self * other"""
        ### BEGIN SOLUTION
        return Value(self.data * other.data, (self, other), (other.data, self.data))
        ### END SOLUTION

    def __pow__(self, n):
        """self ** n for a plain number n: one parent"""
        ### BEGIN SOLUTION
        return Value(self.data**n, (self,), (n * self.data ** (n - 1),))
        ### END SOLUTION

    def tanh(self):
        """tanh(self); np.tanh computes it"""
        ### BEGIN SOLUTION
        y = np.tanh(self.data)
        return Value(y, (self,), (1 - y**2,))
        ### END SOLUTION

    def exp(self):
        """e to the self; np.exp computes it"""
        ### BEGIN SOLUTION
        y = np.exp(self.data)
        return Value(y, (self,), (y,))
        ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The forward computation knows everything that the derivative will need, so take the derivative at once, as a number,
and keep it. Nothing symbolic is stored.

</details>
<details><summary>Hint 2: the shapes</summary>

`parents` and `local` are tuples of equal length, in the same order: two for `-` and `*`, one for `**`, `tanh` and
`exp`. A tuple of one has a comma: `(self,)`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return Value(self.data * other.data, (self, other), (____, ____))`

</details>
"""

# %% nbgrader={"grade_id": "value-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def derivatives(y, *inputs):
    """The derivative of y by each input, read off y.parents and y.local, whatever the order of the parents.

    It is 0 for an input that is no parent, and nan where parents and local are not two tuples of one length.
    """
    if not all(isinstance(pair, (tuple, list)) for pair in (y.parents, y.local)) or len(y.parents) != len(y.local):
        print(f"{y}: parents and local are not two tuples of one length. A tuple of one has a comma: (self,)")
        return np.full(len(inputs), np.nan)
    return np.array([sum(float(d) for p, d in zip(y.parents, y.local) if p is v) for v in inputs], dtype=float)


def operations(a, b, n):
    """What your Values give: the five results, then the derivatives of each by a and b, or by a. a, b, n: numbers."""
    a, b = Value(a), Value(b)
    two, one = [a - b, a * b], [a**n, a.tanh(), a.exp()]
    values = np.array([y.data for y in two + one])
    return values, *[derivatives(y, a, b) for y in two], *[derivatives(y, a) for y in one]

# %% nbgrader={"grade_id": "value-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    operations,
    of="Value",
    a=0.0,
    b=3.0,
    n=1,
    results=("values", "d_sub", "d_mul", "d_pow", "d_tanh", "d_exp"),
    expected=(np.array([-3.0, 0.0, 0.0, 0.0, 1.0]), np.array([1.0, -1.0]), np.array([3.0, 0.0]), np.array([1.0]),
              np.array([1.0]), np.array([1.0])),
    equation="(1, -1);  (b, a);  n a^(n-1);  1 - y^2;  y",
    not_tested="a other than 0, n other than 1, large numbers.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "value-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: one unit as a graph

The graph of $y = \tanh(w\,x + b)$ as your Values recorded it, from left to right. At each arrow stands the local
derivative that you stored: for instance, from $w$ to the product it is the number $x = 0.5$. Here each node is used
once, so one arrow leaves it; in part 3 two will leave $w$.
"""

# %% picture of a unit as a graph tags=["picture"]
import matplotlib.pyplot as plt


def draw(root, names, show_grad=False):
    """Results from left to right in one row, and under each the leaves that first enter there."""
    depth, stack = {}, [root]
    while stack:
        node = stack[-1]
        rest = [p for p in node.parents if id(p) not in depth]
        if rest:
            stack += rest
            continue
        stack.pop()
        depth[id(node)] = (node, 1 + max((depth[id(p)][1] for p in node.parents), default=-1))
    place, below = {}, {}
    for key, (node, k) in depth.items():
        if node.parents:
            place[key] = (2.4 * k, 0.0)
            for leaf in node.parents:
                if not leaf.parents and id(leaf) not in place:
                    below[k] = below.get(k, 0) + 1
                    place[id(leaf)] = (2.4 * k - 1.6, -1.3 * below[k])
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for key, (node, _) in depth.items():
        for parent, d in zip(node.parents, node.local):
            (x0, y0), (x1, y1) = place[id(parent)], place[key]
            far = x1 - x0 > 3
            axis.annotate("", (x1, y1 - 0.3 * (y0 < 0)), (x0, y0), arrowprops={
                "arrowstyle": "->", "color": "gray", "shrinkA": 24, "shrinkB": (28 if show_grad else 16) if y0 == 0 else 2,
                "connectionstyle": f"arc3,rad={0.2 if far else 0}"}, zorder=0)
            at = 0.5
            axis.text(x0 + at * (x1 - x0), y0 + at * (y1 - y0) - (1.35 if far else -0.13), f"{d:.3g}", ha="center",
                      color="tab:blue", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        text = f"{names.get(key, '')} {node.data:.3g}".strip() + (f"\ngrad {node.grad:.3g}" if show_grad else "")
        axis.text(*place[key], text, ha="center", va="center",
                  bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "black"})
    axis.set(xlim=(-0.2, 2.4 * max(k for _, k in depth.values()) + 0.9), ylim=(min(y for _, y in place.values()) - 1, 0.8))
    axis.axis("off")
    return axis


w, x, b = Value(-1.5), Value(0.5), Value(1.0)
draw((w * x + b).tanh(), {id(w): "w", id(x): "x", id(b): "b"}).set_title("tanh(w x + b): numbers, and local derivatives at the arrows")
plt.show()

# %% [markdown]
r"""
## 2. An order to walk in

*50 minutes, 14 points. Chemnitz, Recurrent neural networks (the unrolled graph).*

The walk back has to come to a node only after it was at all nodes that were made from it. So first put all nodes that
a loss depends on into a list, *each node after its parents*:

$$i \text{ stands before } j \quad\text{whenever}\quad j \text{ was computed from } i$$

Each node stands in the list once, however often it was used. An RNN over 3,000 steps is a graph 3,000 nodes deep, and
Python stops a function that calls itself more than about 1,000 calls deep: use a loop and a list of your own (a stack)
instead of recursion.
"""

# %% nbgrader={"grade_id": "topo-order", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def topo_order(root):
    """All nodes that root was made from, and root: a list in which each node stands once, after all its parents.

    root: any object whose `parents` is a tuple of such objects, empty for a leaf
    returns a list; the last entry is root

    Example: for y = a * b it is [a, b, y] or [b, a, y]; both are right.
    """
    ### BEGIN SOLUTION
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            for parent in node.parents:
                stack.append((parent, False))
    return order
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

A node may be listed when all its parents are. So visit a node twice: the first time only note that its parents come
next, the second time, when they are done, list it. A stack that holds pairs (node, is this the second visit?) does
that without recursion.

</details>
<details><summary>Hint 2: the shapes</summary>

`stack` holds pairs, `seen` holds `id(node)` of every node whose first visit has been, `order` holds nodes. Each node
goes through `seen` once, so the loop ends after as many rounds as the graph has arrows and nodes.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`seen.add(id(node))`, then `stack.append((node, ____))`, then the parents on top of it.

</details>
"""

# %% nbgrader={"grade_id": "topo-order-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
class Node:
    """A node of a graph for the tests: parents, their local derivatives, and a gradient to be filled."""

    def __init__(self, parents=(), local=()):
        self.parents, self.local, self.grad = parents, local, 0.0


def graph(parents, local=None):
    """Nodes 0, 1, 2, ...; parents[i]: the numbers of the parents of node i, all smaller than i."""
    nodes = []
    for i, numbers in enumerate(parents):
        nodes.append(Node(tuple(nodes[p] for p in numbers), tuple(local[i]) if local else ()))
    return nodes


def order_of(parents, root):
    """The numbers of the nodes, in the order in which your function lists them; none where it goes too deep."""
    nodes = graph(parents)
    number = {id(node): i for i, node in enumerate(nodes)}
    try:
        return [number[id(node)] for node in topo_order(nodes[root])]
    except RecursionError:
        return []

# %% nbgrader={"grade_id": "topo-order-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    order_of,
    of="topo_order",
    parents=[[], [0], [1]],
    root=2,
    expected=[0, 1, 2],
    equation="each node after its parents",
    not_tested="a node that is used twice, a path that is longer than another one, a deep graph.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "topo-order-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 3. Backpropagation

*50 minutes, 16 points. Télécom, Back Propagation Through Time (BPTT); KTH, BPTT Step by Step.*

The chain rule, one node at a time, from the root to the leaves. $\partial L/\partial L = 1$ starts it. A node $v$ that
has collected its whole gradient passes it on to each parent $p$:

$$\frac{\partial L}{\partial p} \mathrel{+}= \frac{\partial L}{\partial v}\cdot\frac{\partial v}{\partial p}$$

The $+$ is the heart of it: a node that was used twice gets a gradient along both ways, and the sum is its gradient.
KTH draws these ways one by one, one, two and three of them for the first three steps of a network.

At the end each node's gradient is *added* to its `.grad`. So a second call adds a second time: engines do this on
purpose, since it lets the losses of several batches add up, and setting `.grad` to 0 in between is the optimiser's
job. Keep what flows in *this* walk apart from what lies in `.grad` from the last one.
"""

# %% nbgrader={"grade_id": "backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def backward(order):
    """Add dL/dv to v.grad for each node v of a graph, where L is the last node of `order`.

    order: a list of nodes, each after its parents, as topo_order gives it; a node has parents, local and grad
    returns None

    Example: after backward(topo_order(a * b)) with a = 2 and b = 5, a.grad is 5.0 and b.grad is 2.0.
    """
    ### BEGIN SOLUTION
    flow = {id(node): 0.0 for node in order}
    flow[id(order[-1])] = 1.0
    for node in reversed(order):
        node.grad += flow[id(node)]
        for parent, local in zip(node.parents, node.local):
            flow[id(parent)] += flow[id(node)] * local
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Walk the order backwards. When you come to a node, everything that was made from it has been visited, so its gradient
is complete. Multiply it by each local derivative and add the product to that parent's.

</details>
<details><summary>Hint 2: the shapes</summary>

All gradients are plain numbers. A dictionary `flow` with one entry a node, at key `id(node)`, holds what has arrived
in this walk: 1.0 for the last node of the order, 0.0 for the others at the start.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`flow[id(parent)] += flow[id(____)] * local`

</details>
"""

# %% nbgrader={"grade_id": "backward-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def gradients_of(parents, local, calls):
    """The .grad of nodes 0, 1, ... after so many calls of your function; the order is given, and so are 0 gradients."""
    nodes = graph(parents, local)
    for _ in range(calls):
        backward(nodes)
    return np.array([node.grad for node in nodes])

# %% nbgrader={"grade_id": "backward-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    gradients_of,
    of="backward",
    parents=[[], [0]],
    local=[[], [3.0]],
    calls=1,
    expected=np.array([3.0, 1.0]),
    equation="dL/dp += dL/dv * dv/dp, from dL/dL = 1",
    not_tested="more than one step back, a node that is used twice, a second call.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the gradients arrive

The graph of $y = \tanh(w\,x + b) \cdot w$. Below each number stands its gradient. The weight $w$ is used twice, so two
arrows leave it, and its gradient is the sum of two products of the blue numbers. Check it by hand: along the upper way
and along the lower one.
"""

# %% picture of gradients in a graph tags=["picture"]
import matplotlib.pyplot as plt

w, x, b = Value(-1.5), Value(0.5), Value(1.0)
y = (w * x + b).tanh() * w
backward(topo_order(y))
draw(y, {id(w): "w", id(x): "x", id(b): "b", id(y): "y"}, show_grad=True).set_title("tanh(w x + b) w: w has two ways to y")
plt.show()

# %% [markdown]
r"""
## 4. Arrays: broadcasting, undone

*40 minutes, 14 points. Télécom, Back Propagation Through Time (BPTT): one bias $b_a$ for all steps and examples.*

From here on a node is an array, and one array operation does the work of thousands of Values. NumPy *broadcasts*: a
bias of shape (3,) added to an array (4, 3) is used four times, once a row. The gradient that comes back has the big
shape, and must be brought back to the shape of the small array. It is the sum over every axis that broadcasting added
in front, and over every axis that it stretched from 1:

$$g \in (4, 3) \ \to\ (3,): \text{ sum over the rows.} \qquad g \in (4, 3) \ \to\ (4, 1): \text{ sum over the columns, and keep the axis.}$$
"""

# %% nbgrader={"grade_id": "unbroadcast", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def unbroadcast(g, shape):
    """The gradient of an array of `shape` that was broadcast to the shape of g.

    g: an array;  shape: a tuple that broadcasts to g.shape
    returns an array of exactly this shape: the sum of g over the axes that were added or stretched

    Example: unbroadcast(np.ones((4, 3)), (3,)) is [4., 4., 4.].
    """
    ### BEGIN SOLUTION
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

An entry that was copied is used as often as there are copies, and each use sends a gradient back: they are added, as
in part 3. So find the axes along which copies lie, and sum over them.

</details>
<details><summary>Hint 2: the shapes</summary>

NumPy compares shapes from the right. (2, 5, 3) and (5, 1): one axis, of size 2, was added in front, and the last one
was stretched from 1 to 3. After the first sum g is (5, 3), after the second (5, 1).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`g = g.sum(axis=axis, ____=True)`

</details>
"""

# %% nbgrader={"grade_id": "unbroadcast-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    unbroadcast,
    g=np.array([[1.0, 2, 3], [10, 20, 30], [100, 200, 300], [0, 0, 0]]),
    shape=(3,),
    expected=np.array([111.0, 222, 333]),
    equation="the sum over the axes that broadcasting added or stretched",
    not_tested="an axis of size 1, several axes, a shape of ().",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "unbroadcast-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 5. Back through a product of matrices

*45 minutes, 14 points. Chemnitz, BPTT: Backpropagation through time (∂L/∂W = ∂L/∂h · ∂h/∂W).*

$Y = A B$ is the workhorse of every network. With $g = \partial L/\partial Y$:

$$dA = g\,B^\top, \qquad dB = A^\top g$$

The shapes alone nearly force it: $dA$ must be $(m, k)$, and only $g\,B^\top$ is. Here $A$ may carry batch axes in
front, $(\dots, m, k)$, while $B$ is one matrix for all of them. Then each example of the batch sends a gradient to the
same $B$, and they are summed (as in part 4).
"""

# %% nbgrader={"grade_id": "matmul-vjp", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def matmul_vjp(g, A, B):
    """The gradients of Y = A @ B.

    g (..., m, n): the gradient of Y;  A (..., m, k);  B (k, n)
    returns dA (..., m, k), dB (k, n): dB is summed over the batch axes

    Example: with m = n = k = 1 it is (g B, A g), the rule of a product of two numbers.
    """
    ### BEGIN SOLUTION
    dA = g @ B.T
    dB = unbroadcast(np.swapaxes(A, -1, -2) @ g, B.shape)
    return dA, dB
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Each of the two is a product of g and the *other* matrix, transposed. There are only two orders to try, and the shapes
decide. With square matrices every order fits, and one is still right: think it through with different sizes.

</details>
<details><summary>Hint 2: the shapes</summary>

`g` (..., m, n) times `B.T` (n, k) is (..., m, k). `np.swapaxes(A, -1, -2)` is (..., k, m); times `g` it is
(..., k, n), one such matrix for each example, and dB is (k, n).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dB = unbroadcast(np.swapaxes(A, -1, -2) @ ____, B.shape)`

</details>
"""

# %% nbgrader={"grade_id": "matmul-vjp-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    matmul_vjp,
    g=np.array([[1.0, 0.5, -1], [0, 2, 1]]),
    A=np.array([[1.0, 2, 0, -1], [0.5, 0, 1, 3]]),
    B=np.array([[1.0, 0, 2], [0, 1, -1], [2, 2, 0], [1, 0, 0.5]]),
    results=("dA", "dB"),
    expected=(np.array([[-1.0, 1.5, 3, 0.5], [2, 1, 4, 0.5]]),
              np.array([[1.0, 1.5, -0.5], [2, 1, -2], [0, 2, 1], [-1, 5.5, 4]])),
    equation="dA = g B^T;  dB = A^T g",
    not_tested="square matrices (where every order fits), a batch in A.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "matmul-vjp-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. The loss of a classifier

*50 minutes, 16 points. Télécom, Language model: (1) Training using a RNN; KTH, Recurrent Neural Networks.*

$z$ holds a score for each of K classes, one row an example; $t$ holds the right class of each row, a whole number.

$$\hat y = \operatorname{softmax}(z), \qquad L = -\frac1N \sum_{i=1}^N \log \hat y_{i,t_i}, \qquad
dz = \frac{\hat y - y}{N}$$

where $y$ is 1 at the right class and 0 elsewhere. That the gradient is so short is why the two are always written as
one. Two things to take care of: the classes lie along the *last* axis; and $e^{1000}$ is infinite, while
$\operatorname{softmax}(z) = \operatorname{softmax}(z - \max z)$, so subtract the largest score of each row first, and
take the logarithm of the *sum* ($\log \hat y_k = z_k - \log \sum_j e^{z_j}$), never of a quotient that may be 0.
"""

# %% nbgrader={"grade_id": "softmax-cross-entropy", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def softmax_cross_entropy(z, t):
    """The mean of -log softmax(z)[right class], and its gradient.

    z (N, K): scores;  t (N,): whole numbers from 0 to K - 1
    returns loss: a float;  dz (N, K)

    Example: for one row of K equal scores the loss is log K.
    """
    ### BEGIN SOLUTION
    N = len(z)
    rows = np.arange(N)
    shifted = z - z.max(axis=1, keepdims=True)
    log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_y[rows, t].mean()
    dz = np.exp(log_y)
    dz[rows, t] -= 1
    return loss, dz / N
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

First the logarithms of the probabilities, for all rows at once. The loss picks one of them in each row; the gradient
needs them all: the probabilities, minus 1 at the right class.

</details>
<details><summary>Hint 2: the shapes</summary>

`z.max(axis=1, keepdims=True)` is (N, 1) and broadcasts against (N, K). `log_y[np.arange(N), t]` is (N,): entry
`t[i]` of each row i. The loss is one number, dz is (N, K).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`log_y = shifted - np.log(np.exp(____).sum(axis=1, keepdims=True))`

</details>
"""

# %% nbgrader={"grade_id": "softmax-cross-entropy-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    softmax_cross_entropy,
    z=np.log(np.array([[0.5, 0.25, 0.25]])),
    t=np.array([1]),
    results=("loss", "dz"),
    expected=(1.3862943611198906, np.array([[0.5, -0.75, 0.25]])),
    equation="L = -mean log y_t;  dz = (y_hat - y) / N",
    not_tested="more than one row (so the mean), large scores, ties.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "softmax-cross-entropy-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 7. Is a gradient right?

*30 minutes, 12 points. Chemnitz, BPTT: Backpropagation through time.*

The definition of a derivative is a test. Move one entry of $x$ by $\varepsilon$ to both sides and look what $f$ does:

$$\frac{\partial f}{\partial x_i} \approx \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2\varepsilon}$$

Both sides: the error is then of order $\varepsilon^2$. With one side alone it is of order $\varepsilon$, too much to
tell a wrong gradient from a crude difference. It takes two evaluations of $f$ *for each entry*, so it is a tool for
testing and never for training.
"""

# %% nbgrader={"grade_id": "gradcheck", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def gradcheck(f, x, eps):
    """The gradient of f at x by central differences.

    f: a function of an array that gives a float;  x: an array of any shape, as it was when the function returns;  eps > 0
    returns an array of the shape of x

    Example: for f = lambda x: np.sum(3 * x) every entry is 3, up to rounding.
    """
    ### BEGIN SOLUTION
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + eps
        above = f(x)
        x[i] = old - eps
        below = f(x)
        x[i] = old
        g[i] = (above - below) / (2 * eps)
    return g
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One entry at a time: move it up, ask f, move it down, ask f, put it back. `for i in np.ndindex(x.shape)` goes through
all entries of an array of any shape, and `x[i]` is that entry.

</details>
<details><summary>Hint 2: the shapes</summary>

f gives one number. The result has the shape of x, one quotient an entry. Between the two points lie 2 eps.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`g[i] = (above - below) / ____`

</details>
"""

# %% nbgrader={"grade_id": "gradcheck-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def check_cubic(c, x, eps):
    """What your function finds for f(x) = sum(c x + d x^3) + sum(c x)^2, d = c^2, and x afterwards."""
    x = x.copy()
    g = gradcheck(lambda v: float(np.sum(c * v + c**2 * v**3) + np.sum(c * v)**2), x, eps)
    return g, x


def check_linear(c, x, eps):
    """What your function finds for f(x) = sum(c x)."""
    return gradcheck(lambda v: float(np.sum(c * v)), x.copy(), eps)

# %% nbgrader={"grade_id": "gradcheck-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    check_linear,
    of="gradcheck",
    c=np.array([2.0, -1.0]),
    x=np.array([0.5, 0.25]),
    eps=0.125,
    expected=np.array([2.0, -1.0]),
    equation="(f(x + eps e_i) - f(x - eps e_i)) / (2 eps)",
    not_tested="a function that is not linear, x of two axes, x left as it was.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_autograd", "gradcheck-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Write a test of your own

Not graded. Take your `gradcheck` and one of your functions of parts 5 and 6, and let the first judge the second: draw
`z` at random, compare `softmax_cross_entropy(z, t)[1]` with `gradcheck(lambda z: softmax_cross_entropy(z, t)[0], z,
1e-5)`. They agree to about 9 digits. Then break your gradient on purpose, and see that the check says no.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: two moons, separated by your engine

The same small network twice. On the left it is made of your Values (parts 1 to 3): two inputs, eight tanh units, one
output, all numbers one by one. On the right the same kind of network with arrays (parts 4 to 6), where one product
does the work of hundreds of Values. Circles and crosses are the two classes; the line is where the network changes its
mind, and the title says how long the training took. It runs for a few seconds.
"""

# %% picture of two moons tags=["picture"]
import time

import matplotlib.pyplot as plt

rng = np.random.default_rng(0)
angle = rng.uniform(0, np.pi, 60)
label = np.arange(60) % 2
points = np.where(label[:, None] == 0, np.c_[np.cos(angle), np.sin(angle)], np.c_[1 - np.cos(angle), 0.4 - np.sin(angle)])
points += 0.12 * rng.normal(size=points.shape)


def train_values(steps=60, hidden=8, rate=0.3):
    """A network of Values; the loss is the mean of (y - target)^2 with targets 1 and -1."""
    W = [[Value(v) for v in row] for row in rng.normal(size=(hidden, 2))]
    b, u, c = [[Value(v) for v in rng.normal(size=hidden) * s] for s in (0.1, 0.5)] + [Value(0.0)]
    weights = [v for row in W for v in row] + b + u + [c]

    def net(p, q):
        total = c
        for w, shift, out in zip(W, b, u):
            total = total + (w[0] * p + w[1] * q + shift).tanh() * out
        return total

    for _ in course.progress_bar(range(steps), "Values"):
        loss = Value(0.0)
        for (p, q), k in zip(points, label):
            loss = loss + (net(Value(p), Value(q)) - Value(1 - 2 * k)) ** 2
        for v in weights:
            v.grad = 0.0
        backward(topo_order(loss * Value(1 / len(points))))
        for v in weights:
            v.data -= rate * v.grad
    return lambda p, q: net(Value(p), Value(q)).data


def train_arrays(steps=400, hidden=8, rate=1.0):
    """A network of arrays with two outputs and the loss of part 6; every gradient is by hand, from your functions."""
    W, b, U, c = rng.normal(size=(2, hidden)), np.zeros(hidden), 0.5 * rng.normal(size=(hidden, 2)), np.zeros(2)
    for _ in course.progress_bar(range(steps), "arrays"):
        h = np.tanh(points @ W + b)
        loss, dz = softmax_cross_entropy(h @ U + c, label)
        dh, dU = matmul_vjp(dz, h, U)
        da = dh * (1 - h**2)
        dW = matmul_vjp(da, points, W)[1]
        for parameter, g in ((W, dW), (b, unbroadcast(da, b.shape)), (U, dU), (c, unbroadcast(dz, c.shape))):
            parameter -= rate * g
    return lambda p, q: float(np.tanh(np.array([p, q]) @ W + b) @ (U[:, 0] - U[:, 1]) + c[0] - c[1])


figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
grid = np.linspace(-1.6, 2.6, 30), np.linspace(-1.3, 1.6, 24)
for axis, name, train in zip(axes, ("one number at a time, 60 steps", "arrays, 400 steps"), (train_values, train_arrays)):
    begin = time.perf_counter()
    answer = train()
    seconds = time.perf_counter() - begin
    right = np.mean([(answer(p, q) < 0) == k for (p, q), k in zip(points, label)])
    axis.contour(*grid, [[answer(p, q) for p in grid[0]] for q in grid[1]], levels=[0], colors="black")
    for k, mark, face in ((0, "o", "none"), (1, "x", "tab:orange")):
        style = {"facecolors": face, "edgecolors": "tab:blue"} if mark == "o" else {"color": face}
        axis.scatter(*points[label == k].T, marker=mark, **style)
    axis.set_title(f"{name}: {seconds:.2f} s, {right:.0%} right")
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

Your Values are one number each. minigrad's Tensor is an array, and everything else is what you wrote, with four
changes:

- **One tape for arrays.** A node is made for each array operation, a few microseconds whatever its size: the picture
  above shows what that is worth.
- **No search for an order.** Nodes are numbered as they are made, and a parent is always older than its child. So the
  order of creation *is* a right order, and backward takes the youngest node that has a gradient, by a heap. Your
  `topo_order` asks for no numbers, and is what you need where nodes come from elsewhere.
- **Broadcasting is undone in one place.** The tape calls the reference's `unbroadcast` after every operation, so no
  single operation has to think of it.
- **Memory.** A node keeps its inputs and what its derivative needs, and is freed as soon as the walk has passed it.

**float32 and float64.** In float32 a difference quotient cannot see errors below about one in a thousand: check
gradients in float64, always. $1 - y^2$ loses digits near $|y| = 1$, so compare a gradient with its largest entry and
not entry by entry. Whole numbers have no derivative: `2 ** -1` of integers raises an error in NumPy, and the engine
refuses gradients of integer arrays.
"""
