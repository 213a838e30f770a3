"""How far detectors can be trusted: lines of each language that they take for another one.

    python benchmarks/contamination.py --text FOLDER [--unit bytes]

FOLDER holds a file a language, `es.txt` or `es.txt.gz`, a document a line. On clean text every line
that is decided for another language is an error, and `decontaminate` would remove it; on mixed text
some are contamination. "found" is the share of the other files' lines that would be removed from
this language's corpus: what contamination by them would be seen of. Percent throughout.
"""

from __future__ import annotations

import argparse
import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bytetransfer.analysis.contamination import UNDECIDED, Reading, Unit, read_shares
from bytetransfer.corpus.detectors import load_detector
from bytetransfer.corpus.foreign_lines import document_languages
from bytetransfer.corpus.language_codes import language_code

DETECTORS = ("lid176", "langid", "both")

Lines = list[list[tuple[str, int]]]


def read(path: Path, most: int) -> tuple[list[bytes], int]:
    """Evenly spaced lines of a file, and how many there are."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = data.splitlines()
    step = max(1, len(lines) // most)
    return lines[::step][:most], len(lines)


def files(folder: Path) -> dict[str, Path]:
    """The file of each language, those whose names are no language left out."""
    found = {path.name.split(".")[0]: path for path in sorted(folder.glob("*.txt*"))}
    return {name: path for name, path in found.items() if language_code(name) == name}


def foreign_found(found: Mapping[str, Lines], language: str, unit: Unit) -> float:
    """Share of the other languages' lines (or of their bytes) that are seen to be foreign."""
    total: Counter[bool] = Counter()
    for other, documents in found.items():
        for one, size in (line for document in documents for line in document):
            if other != language:
                weight = size if unit == "bytes" else 1
                total[one not in {UNDECIDED, language}] += weight
    return total[True] / max(1, total.total())


def row(reading: Reading, found: float, unit: Unit) -> list[str]:
    others = [s for s in reading.shares if s.language not in {UNDECIDED, reading.language}]
    others.sort(key=lambda share: -share.of(unit).value)
    taken = ", ".join(f"{s.language} {100 * s.of(unit).value:.2f}" for s in others[:2])
    if reading.foreign is None:
        return ["", "not known", "", ""]
    foreign = reading.foreign.of(unit)
    limits = "" if foreign.low is None else f" ({100 * foreign.low:.1f}–{100 * foreign.high:.1f})"
    return [
        f"{100 * reading.share(UNDECIDED).of(unit).value:.1f}",
        f"{100 * foreign.value:.2f}{limits}",
        taken,
        f"{100 * found:.1f}",
    ]


def table(texts: Mapping[str, tuple[Sequence[bytes], int]], unit: Unit, title: str) -> Table:
    made = Table(title=title)
    for name in ("language", "detector", "undecided", "another (95 %)", "taken for", "found"):
        made.add_column(name, justify="left" if name in {"detector", "taken for"} else "right")
    found = {
        name: {
            language: list(document_languages(lines, load_detector(name)))
            for language, (lines, _) in texts.items()
        }
        for name in DETECTORS
    }
    for language, (_, count) in texts.items():
        for name in DETECTORS:
            reading = read_shares(
                found[name][language],
                corpus=language,
                language=language,
                detector=name,
                known=load_detector(name).languages,
                corpus_documents=count,
            )
            assert isinstance(reading, Reading)
            share = foreign_found(found[name], language, unit)
            first = language if name == DETECTORS[0] else ""
            made.add_row(first, name, *row(reading, share, unit), end_section=name == DETECTORS[-1])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True, help="folder of texts, one a language")
    parser.add_argument("--lines", type=int, default=2000, help="lines to read a language, at most")
    parser.add_argument("--unit", choices=["lines", "bytes"], default="lines")
    options = parser.parse_args()
    texts = {name: read(path, options.lines) for name, path in files(options.text).items()}
    most, unit = options.lines, options.unit
    title = f"{options.text.name}, at most {most} lines a language, % of {unit}"
    made = table(texts, unit, title)
    made.caption = load_detector("both").version
    Console(width=100).print(made)


if __name__ == "__main__":
    main()
