"""Pictures: of results (`figures`), and of what the tape did (`graph`, `step`, `flow`).

    viz.graph(loss)         the recorded graph, drawn: shapes, gradients, source lines
    viz.step(loss)          a page that plays backward() node by node
    viz.flow(loss, model)   gradient norms: of each parameter, and over the time steps of recurrent layers

All three read a graph that is still whole: call them before backward(), or after backward(retain_graph=True). They
change no gradient and free nothing. Matplotlib (extra `viz`) is imported when a figure is drawn; pages need nothing.
"""
from .alignments import alignments
from .cell import cell
from .curves import curves
from .figures import BLUE, FAINT, GREEN, INK, ORANGE, PINK, RED, SKY, YELLOW, bars, forecasts
from .film_strip import film_strip
from .flow import flow, parameter_norms, time_norms
from .gates import gates
from .graph import Drawing, graph
from .heatmap import heatmap
from .over_image import captioned, over_image
from .positions import positions
from .rows import rows
from .space import space
from .step import Player, step
from .strips import strips
from .unrolled import unrolled

__all__ = ["BLUE", "FAINT", "GREEN", "INK", "ORANGE", "PINK", "RED", "SKY", "YELLOW", "Drawing", "Player",
           "alignments", "bars", "captioned", "cell", "curves", "film_strip", "flow", "forecasts", "gates", "graph",
           "heatmap", "over_image", "parameter_norms", "positions", "rows", "space", "step", "strips", "time_norms",
           "unrolled"]
