"""`swarm plot`: best so far over the hours spent, every experiment a dot, promotions and rebases marked."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm.cli import screen
from swarm.cli.picture import AXES, Picture, picture_of
from swarm.errors import SwarmError, UsageError
from swarm.ledger.reader import Reader
from swarm.workspace import Workspace

NAMED = 14  # promotions with their names beside them
LEGEND = 16  # agents in the legend
COLOURS = (
    "#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#64b5cd", "#b5a642", "#2f4b7c",
    "#a05195", "#f95d6a", "#ffa600", "#665191", "#488f31", "#8c8c8c",
)  # fmt: skip


def run(workspace: Workspace, out: Path | None = None, by: str = "gpu-hours") -> None:
    """Write the picture: PNG and SVG, or the one that `out` is called like. Raises SwarmError before the first result."""
    if by not in AXES:
        raise UsageError(f"--by {by}: the x axis is {', '.join(AXES)}.")
    files = [workspace.root / "progress.png", workspace.root / "progress.svg"] if out is None else [out]
    if any(f.suffix.lower() not in (".png", ".svg", ".pdf") for f in files):
        raise UsageError(f"{out}: a picture is called .png, .svg or .pdf.", "swarm plot -o progress.png")
    with Reader(workspace.ledger) as reader:
        picture = picture_of(reader, by)
    draw(picture, files)
    print(f"  {', '.join(str(f) for f in files)}: {len(picture.dots)} experiments, best {picture.steps[-1].score:.6g}")


# --- the drawing --------------------------------------------------------------------------------------------------


def draw(picture: Picture, files: Sequence[Path]) -> None:
    """Write the files. matplotlib is loaded here: it is slow to start. Raises SwarmError when one cannot be written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "swarm", "font.size": 10}):
        warnings.simplefilter("ignore")  # letters that the font lacks
        figure, ax = plt.subplots(figsize=(11, 6), dpi=150)
        try:
            worst = _window(ax, picture)
            _dots(ax, picture, worst)
            _staircase(ax, picture)
            _names(ax, picture)
            _frame(ax, picture)
            _key(ax, picture)
            figure.tight_layout()
            for path in files:
                figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise SwarmError(
                f"cannot write {error.filename}: {error.strerror}.", "Write elsewhere: swarm plot -o /tmp/progress.png"
            ) from None
        finally:
            plt.close(figure)


def _window(ax: Any, picture: Picture) -> float:
    """Show what matters: from the best dot to somewhat worse than the baseline. Returns the edge of the worse side."""
    losses = sorted(picture.sign * d.score for d in picture.dots if d.score is not None)
    steps = [picture.sign * s.score for s in picture.steps]
    low = min([*losses[:1], *steps])
    bulk = losses[int(0.9 * (len(losses) - 1))] if losses else steps[0]
    high = max(max(steps), min(bulk, max(steps) + 2 * (max(steps) - low) + 3 * picture.steps[0].stderr))
    pad = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    best, worst = picture.sign * (low - pad), picture.sign * (high + pad)
    ax.set_ylim(*sorted((best, worst)))
    ax.set_xlim(-0.02 * picture.end, picture.end * 1.04 or 1.0)
    return float(picture.sign * (high + pad))


def _dots(ax: Any, picture: Picture, worst: float) -> None:
    """Kept: full; discarded: faint; crashed or off the scale: marks on the worse edge."""
    agents = sorted({d.agent for d in picture.dots}, key=_natural)
    many = len(picture.dots) > 5000  # too many shapes for an SVG
    span = abs(ax.get_ylim()[1] - ax.get_ylim()[0])
    edge = worst - picture.sign * 0.015 * span
    size = 26 if len(picture.dots) < 2000 else 8
    for number, agent in enumerate(agents):
        colour = COLOURS[number % len(COLOURS)]
        mine = [d for d in picture.dots if d.agent == agent]
        seen = [d for d in mine if d.score is not None and picture.sign * (d.score - worst) <= 0]
        label = screen.shorter(screen.clean(agent), 20) or "others" if number < LEGEND else None
        for verdict, alpha, face in (("keep", 0.95, colour), ("discard", 0.45, "none")):
            some = [d for d in seen if d.verdict == verdict]
            ax.scatter(
                [d.x for d in some],
                [d.score for d in some],
                s=size,
                alpha=alpha,
                facecolors=face,
                edgecolors=colour,
                linewidths=0.9,
                zorder=3,
                rasterized=many,
            )
        off = [d for d in mine if d.score is not None and picture.sign * (d.score - worst) > 0]
        ax.scatter(
            [d.x for d in off],
            [edge] * len(off),
            marker="^" if picture.sign > 0 else "v",
            s=size,
            alpha=0.5,
            color=colour,
            zorder=3,
            rasterized=many,
        )
        crashed = [d for d in mine if d.score is None]
        ax.scatter(
            [d.x for d in crashed],
            [edge] * len(crashed),
            marker="x",
            s=size,
            alpha=0.7,
            color=colour,
            linewidths=1,
            zorder=3,
            rasterized=many,
        )
        if label:
            ax.scatter([], [], s=26, color=colour, label=label)


def _natural(name: str) -> tuple[str | int, ...]:
    """gpu2 before gpu10."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


def _staircase(ax: Any, picture: Picture) -> None:
    steps = picture.steps
    x = [s.x for s in steps] + [picture.end]
    y = [s.score for s in steps] + [steps[-1].score]
    e = [2 * s.stderr for s in steps] + [2 * steps[-1].stderr]
    ax.fill_between(x, [a - b for a, b in zip(y, e, strict=True)], [a + b for a, b in zip(y, e, strict=True)],
                    step="post", color="black", alpha=0.08, linewidth=0, zorder=1)  # fmt: skip
    ax.step(x, y, where="post", color="black", linewidth=1.8, zorder=4, label="best (± 2 se)")
    up = [s for s in steps[1:] if not s.back]
    ax.scatter([s.x for s in up], [s.score for s in up], marker="*", s=130 if len(up) <= 40 else 12, color="gold", edgecolors="black", linewidths=0.8 if len(up) <= 40 else 0.2, zorder=5,
               label="promoted" if up else None)  # fmt: skip
    back = [s for s in steps if s.back]
    ax.scatter([s.x for s in back], [s.score for s in back], marker="X", s=60, color="white", edgecolors="black", zorder=5,
               label="taken back" if back else None)  # fmt: skip
    if picture.rebases:
        trans = ax.get_xaxis_transform()
        ax.plot(picture.rebases, [0.012] * len(picture.rebases), "|", color="tab:purple", markersize=11, markeredgewidth=1.4,
                transform=trans, zorder=4, label="an agent rebased")  # fmt: skip


def _names(ax: Any, picture: Picture) -> None:
    """The newest promoted by name, in the corner under the stairs (over them where higher is better), that is free."""
    up = [s for s in picture.steps[1:] if not s.back][-NAMED:]
    side = -1 if picture.sign > 0 else 1
    level, last = 0, 1e9
    for s in reversed(up):
        level = level + 1 if last - s.x < 0.05 * picture.end else 0
        if level == 3:
            return  # the older ones would stand on each other
        last = s.x
        left = s.x > 0.2 * picture.end
        ax.annotate(
            f"{s.experiment} {screen.shorter(s.description, 22)}", (s.x, s.score), xytext=(-7 if left else 7, side * (9 + 11 * level)),
            textcoords="offset points", fontsize=7.5, ha="right" if left else "left", va="center", zorder=6, annotation_clip=True,
            parse_math=False, bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip


def _key(ax: Any, picture: Picture) -> None:
    """What the shapes mean, of those that are there."""
    grey = {"s": 26, "linewidths": 0.9, "edgecolors": "grey"}
    crashed = any(d.score is None for d in picture.dots)
    ax.scatter([], [], facecolors="grey", label="kept", **grey)
    ax.scatter([], [], facecolors="none", label="discarded", **grey)
    ax.scatter([], [], marker="^" if picture.sign > 0 else "v", color="grey", s=26, label="off the scale")
    if crashed:
        ax.scatter([], [], marker="x", color="grey", s=26, linewidths=1, label="crashed")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def _frame(ax: Any, picture: Picture) -> None:
    better = "lower" if picture.sign > 0 else "higher"
    kept = sum(d.verdict == "keep" for d in picture.dots)
    count = f"{len(picture.dots)} experiments, {kept} kept (about {picture.real:.0f} of them real)"
    ax.set_title(f"{picture.title} · {count}", loc="left", fontsize=11, parse_math=False)
    ax.set_xlabel(picture.axis)
    ax.set_ylabel(f"{picture.metric} ({better} is better)", parse_math=False)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.ticklabel_format(axis="y", useOffset=False, style="plain")
    for place in ("top", "right"):
        ax.spines[place].set_visible(False)
