"""Pictures of results, as PNG files beside them. Used by every benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl

from bench.results import FOLDER

mpl.use("Agg")

from matplotlib import pyplot as plt


def bars(name: str, title: str, unit: str, series: Mapping[str, Mapping[str, float]]) -> None:
    """Draw stacked bars: bar -> part of it -> height."""
    figure, axes = plt.subplots(figsize=(9, 0.6 * len(series) + 2), layout="constrained")
    parts = list(dict.fromkeys(part for bar in series.values() for part in bar))
    left = [0.0] * len(series)
    for part in parts:
        widths = [bar.get(part, 0.0) for bar in series.values()]
        axes.barh(list(series), widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    if len(parts) > 1:
        axes.legend(fontsize="small", ncols=2)
    figure.savefig(FOLDER / f"{name}.png", dpi=110)
    plt.close(figure)


def lines(
    name: str, title: str, axes_names: tuple[str, str], series: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Draw curves over a logarithmic axis: curve -> points."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for label, points in series.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label)
    axes.set(title=title, xlabel=axes_names[0], ylabel=axes_names[1], xscale="log")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(FOLDER / f"{name}.png", dpi=110)
    plt.close(figure)
