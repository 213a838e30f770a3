"""Which reader a file gets: by its own name, then by what was declared; never by its content.

The content is looked at where the name does not tell, so that the message says what to write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bytetransfer.corpus.blocks import COMPRESSED, open_blocks
from bytetransfer.corpus.content import HEAD_BYTES, advice, may_be_lines
from bytetransfer.corpus.language_codes import named_language
from bytetransfer.errors import CorpusError

Format = Literal["auto", "text", "jsonl", "csv", "tsv", "parquet", "arrow"]

ENDINGS: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
"""What files hold by their endings, in lower case, before those of compression."""

# with documents = "file", other files than these are one document each, whatever their name says
_ALWAYS = (".txt", ".jsonl", ".parquet")


def format_of(path: Path, documents: Literal["lines", "file"]) -> Format:
    """How a file is read whose format was not stated.

    The ending of its own name decides, in any case; a link whose name does not tell is judged by
    what it leads to. A language code is the ending of text, a line a document, as in Moses and
    OPUS corpora.

    Raises:
        CorpusError: where the name does not tell; the message says what the content looks like.
    """
    for name in dict.fromkeys((path.name, path.resolve().name)):
        found = _by_name(name, documents)
        if found is not None:
            return found
    if documents == "file":
        return "text"  # program text and the like: any ending, one document a file
    ending, head = _ending(path.name), head_of(path)
    if _is_language(ending) and may_be_lines(head):
        return "text"
    raise CorpusError(
        f'the ending "{ending}" does not tell what the file holds',
        where=str(path),
        todo=f"{advice(head)}; or let its name end in one of {', '.join(ENDINGS)}, compressed "
        f"({', '.join(COMPRESSED)}) or not",
    )


def head_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed.

    Raises:
        CorpusError: where it cannot be read.
    """
    blocks = open_blocks(path)
    return next(blocks, b"")[:HEAD_BYTES]


def folder_advice(folder: Path, written: str) -> str:
    """What to write instead of the name of a folder, as the study file writes it."""
    if is_saved_dataset(folder):
        return f"it holds a dataset saved to disk: write {saved_files(folder, written)}"
    counted: dict[str, int] = {}
    for path in sorted(folder.iterdir()):
        ending = _ending(path.name)
        if path.is_file() and ending.lower() in ENDINGS:
            whole = path.name[path.name.rindex(ending) :]
            counted[whole] = counted.get(whole, 0) + 1
    most = max(counted, key=counted.__getitem__, default=".txt")
    return f"name the files in it, for example {written}/*{most}"


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` of the datasets library wrote the folder."""
    if (folder / "dataset_dict.json").is_file():
        return True
    return all((folder / name).is_file() for name in ("state.json", "dataset_info.json"))


def saved_files(folder: Path, written: str) -> str:
    """The line of a study file that reads a folder that `save_to_disk` wrote."""
    splits = sorted(path.parent.name for path in folder.glob("*/state.json"))
    if not splits:
        return f'files = "{written}/*.arrow"'
    split = "train" if "train" in splits else splits[0]
    others = ", ".join(name for name in splits if name != split)
    return f'files = "{written}/{split}/*.arrow"' + (f" (or {others})" if others else "")


def _by_name(name: str, documents: Literal["lines", "file"]) -> Format | None:
    ending = _ending(name).lower()
    if documents == "file" and ending not in _ALWAYS:
        return None
    return ENDINGS.get(ending)


def _ending(name: str) -> str:
    """The last ending before that of compression, with its point; "" where there is none."""
    path = Path(name)
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix


def _is_language(ending: str) -> bool:
    return bool(ending) and named_language(ending[1:]) is not None
