"""The picture of a comparison: true progress over GPU-hours, and at the end what is claimed beside what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.sim.outcome import Outcome
from bench.sim.path import gains_at
from bench.sim.table import mean

POINTS = 160
COLOURS = ("#8c8c8c", "#b5a642", "#8172b3", "#da8bc3", "#55a868", "#dd8452", "#64b5cd", "#c44e52")


def draw(found: Mapping[str, Sequence[Outcome]], file: Path) -> None:
    """Write it; the last way is drawn thickest. matplotlib is loaded here: it is slow to start."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 5), dpi=130, gridspec_kw={"width_ratios": (3, 2)})
        for number, (way, outcomes) in enumerate(found.items()):
            _progress(left, way, outcomes, _colour(number, len(found)), thick=number == len(found) - 1)
        _ends(right, found)
        left.set(xlabel="GPU-hours", ylabel="true gain of what is called best × 1000", xlim=(0, None), ylim=(0, None))
        left.set_title("Progress: mean, and its 95 % over the landscapes", loc="left")
        left.legend(frameon=False, loc="upper left", fontsize=8)
        figure.tight_layout()
        figure.savefig(file)
        plt.close(figure)


def _colour(number: int, of: int) -> str:
    """The last one's is always the same."""
    return COLOURS[-1] if number == of - 1 else COLOURS[number % (len(COLOURS) - 1)]


def _progress(ax: Any, way: str, outcomes: Sequence[Outcome], colour: str, thick: bool) -> None:
    end = outcomes[0].gpu_s
    moments = [end * point / POINTS for point in range(POINTS + 1)]
    curves = [gains_at(outcome.path, moments) for outcome in outcomes]
    means = [mean(values) for values in zip(*curves, strict=True)]
    hours, middle = [moment / 3600 for moment in moments], [m.value * 1000 for m in means]
    ax.plot(hours, middle, color=colour, linewidth=2.4 if thick else 1.3, label=way, zorder=3 if thick else 2)
    low, high = ([(m.value + sign * m.half) * 1000 for m in means] for sign in (-1, 1))
    ax.fill_between(hours, low, high, color=colour, alpha=0.16, linewidth=0, zorder=1)


def _ends(ax: Any, found: Mapping[str, Sequence[Outcome]]) -> None:
    """What is true: full, with its interval. What is claimed: hollow."""
    for number, outcomes in enumerate(found.values()):
        colour, true = _colour(number, len(found)), mean(o.gain * 1000 for o in outcomes)
        said = mean(o.claimed * 1000 for o in outcomes)
        ax.plot([true.value, said.value], [number, number], color=colour, linewidth=1, alpha=0.5)
        ax.errorbar(true.value, number, xerr=true.half, fmt="o", color=colour, capsize=3)
        ax.plot(said.value, number, "o", markerfacecolor="white", color=colour)
    ax.set_yticks(range(len(found)), list(found))
    ax.set(xlabel="gain at the end × 1000", xlim=(0, None))
    ax.set_title("Full: true (95 %). Hollow: claimed.", loc="left")
