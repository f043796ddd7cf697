"""`python -m benchmarks.gpu`: is the GPU right, and how fast is it? Parity with NumPy first, then times beside PyTorch.

    __main__      the command: a supervisor that starts workers until the work is done or the budget is spent
    worker        one process that goes through the cases; the next one goes on where it ended
    record        the JSON file, written anew after each case, and what must stand in it
    environment   what was measured on: the chip, the software, its ceilings
    parity        compares values, gradients, kernels, curves, graphs with NumPy's
    layers, models  what is compared: every layer and model with its inputs; draws lets the tests' op cases draw
    cases         the training steps that are timed, ours and PyTorch's from the same weights
    timing        how they are timed
"""
