"""The picture of the README: what pretraining was worth to both learners, from a finished study.

    python benchmarks/picture.py docs/studies/neural es docs/images/neural.svg

Reads `measurements.csv` and `blocks.parquet` of the folder, estimates, and draws the report's own
charts of one target side by side, in a file that adapts to light and dark pages.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bytetransfer.measurements.file import parse_measurements, read_blocks
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report.figures.marks import escaped, symbols
from bytetransfer.report.figures.svg import HEIGHT, WIDTH, draw
from bytetransfer.report.figures.transfer import transfer_charts
from bytetransfer.report.page.embedded import page_style
from bytetransfer.report.view import make_view
from bytetransfer.report.wording import bare
from bytetransfer.transfer.estimate import estimate_transfer

GAP = 40


def read(folder: Path) -> Measurements:
    rows, blocks = folder / "measurements.csv", folder / "blocks.parquet"
    return parse_measurements(
        rows.read_text(encoding="utf-8"),
        where=str(rows),
        blocks=read_blocks(blocks.read_bytes(), where=str(blocks)) if blocks.exists() else None,
    )


def sized(chart: str) -> str:
    return chart.replace('class="chart"', f'class="chart" width="{WIDTH}" height="{HEIGHT}"', 1)


def picture(measurements: Measurements, target: str) -> str:
    view = make_view(measurements, estimate_transfer(measurements))
    number = view.targets.index(target)
    charts = [transfer_charts(view, learner)[number] for learner in view.learners]
    width = len(charts) * (WIDTH + GAP)
    style = page_style()
    style = style.replace("display: block; width: 100%; height: auto;", "")  # the page's, not ours
    panels = "".join(
        f'<g transform="translate({index * (WIDTH + GAP):.0f} 24)">'
        f'<text class="title" x="4" y="-6">{title}</text>{sized(draw(chart))}</g>'
        for index, chart in enumerate(charts)
        for title in [escaped(bare(chart.title))]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {HEIGHT + 24:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="12"><style>{style} '
        ".title { font-weight: 600; fill: var(--text) }</style>"
        f'{symbols()}<rect width="100%" height="100%" fill="var(--page)"/>{panels}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("target")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(picture(read(arguments.folder), arguments.target), encoding="utf-8")
    print(arguments.out)


if __name__ == "__main__":
    main()
