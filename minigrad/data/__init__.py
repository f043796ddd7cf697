"""Data of the lectures' experiments, one generator a file; each makes its series, sentences or images from a seed."""
from .sine_series import Forecasting, forecasting_sets, sine_series

__all__ = ["Forecasting", "forecasting_sets", "sine_series"]
