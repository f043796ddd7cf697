"""Optimisers, schedules and clipping: PyTorch's names and results, on one flat buffer.

Gradients add up until they are forgotten, so a large batch is several small ones before one step:

    opt.zero_grad()
    for x, y in parts:                                   # k parts of one batch
        (loss(model(x), y) / k).backward()               # the mean over the batch is the mean of the parts' means
    optim.clip_grad_norm_(model.parameters(), 1.0)       # of the sum: clip once, before the step
    opt.step()
    schedule.step()

To stop and go on, bit for bit, save the state_dict of model, optimiser and schedule: `mg.save({...}, "run.npz")`.
"""
from .base import Optimizer
from .clip import clip_grad_norm_, clip_grad_value_
from .methods import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from .schedules import CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, ReduceLROnPlateau, StepLR

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "CosineAnnealingLR", "ExponentialLR", "LambdaLR", "LinearLR",
           "Optimizer", "RMSprop", "ReduceLROnPlateau", "StepLR", "clip_grad_norm_", "clip_grad_value_"]
