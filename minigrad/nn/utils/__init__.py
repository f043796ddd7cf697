"""Helpers around layers, where PyTorch has them: clipping, and sequences of different lengths (`nn.utils.rnn`)."""
from ...optim.clip import clip_grad_norm_, clip_grad_value_
from . import rnn

__all__ = ["clip_grad_norm_", "clip_grad_value_", "rnn"]
