"""`Study`: what a person declares. All defaults of the science live here and in the learners.

The study file is the complete account of the science; no command-line flag changes a result.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.formats import Format
from bytetransfer.corpus.readers import MOST_DOCUMENT_BYTES
from bytetransfer.corpus.sources import (
    BinarySource,
    FileSource,
    HubSource,
    check_most_document_bytes,
)
from bytetransfer.corpus.synthetic import GeneratorSettings
from bytetransfer.corpus.transforms import Expression, parse_transform
from bytetransfer.learners.catalog import NumericsOptions, TransformerOptions
from bytetransfer.transfer.methods import Method

FromText = FileSource | HubSource | BinarySource
Regime = Literal["converged", "paper"]


class CorpusSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus comes from: text that is there, or a generator; one of the two.

    Attributes:
        text: files, a data set of a hub, or raw binary files.
        generator: what makes it.
        language: its language code, where it has one; analyses that need one say so.
    """

    text: FromText | None = None
    generator: GeneratorSettings | None = None
    language: str | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Corpora that are declared together.

    Attributes:
        corpora: their names.
        files: the files of each, with `{corpus}` in place of its name.
        aligned: whether line k says the same in every one of them.
        documents: whether a line or a file is a document.
        errors: what to do about bytes that are not UTF-8: `strict` refuses, `keep` keeps them.
        languages: language codes where they differ from the corpora's names.
        column: what holds the text in formats that name their columns.
        format: what the files hold, for those whose ending does not tell.
        most_document_bytes: a longer document is refused.
    """

    corpora: tuple[str, ...]
    files: str
    aligned: bool = False
    documents: Literal["lines", "file"] = "lines"
    errors: Literal["strict", "keep"] = "strict"
    languages: dict[str, str] = {}
    column: str = "text"
    format: Format = "auto"
    most_document_bytes: int = MOST_DOCUMENT_BYTES

    def __post_init__(self) -> None:
        check_most_document_bytes(self.most_document_bytes)


class EstimateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How estimates are made from measurements.

    Attributes:
        method: how the from-scratch curve is drawn and read.
        level: nominal coverage of intervals.
        resamples: how often seeds and test documents are resampled.
        seed: fixes the resampling.
        extrapolate: whether `power_law` may be read past the largest size, by ten times at most.
    """

    method: Method = "monotone"
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    extrapolate: bool = False


class AdaptiveOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an adaptive study is content; see `adaptive.py`.

    Attributes:
        width: the upper limit of D_E over the lower one that every interval is to come down to.
        most_seeds: the most seeds a cell may have; `seeds` is how many it begins with.
    """

    width: float = 1.5
    most_seeds: int = 10


class AnalysisOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What analyses of transfer are told.

    Attributes:
        factor: sources whose D_T lies within it are called alike.
        close: for a target, the source that is close to it: the controlled pairs.
        distances: a CSV of distances between languages, besides those that are computed.
        reference: the language in whose bytes content is counted.
    """

    factor: float = 2.0
    close: dict[str, str] = {}
    distances: str | None = None
    reference: str = "en"


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """A whole study: every source against every target, at every size, with every learner.

    Attributes:
        name: what its results are called.
        sources: corpora or expressions (`cipher(en)`, `nonsense`) to pretrain on.
        targets: corpora or expressions to fine-tune and test on.
        learners: `ngram`, `transformer/<preset>`.
        pretrain_bytes: bytes of source text.
        finetune_bytes: the ladder of D_F; 0 is zero-shot.
        scratch_bytes: the ladder of the from-scratch curve; of an adaptive study, the sizes that
            may be trained.
        seeds: how many; each fixes a permutation, an initialisation and a batch order.
        replicates: how often the whole study is done, each time with another split of the text,
            another search and other seeds; intervals then cover these too.
        regime: `converged`, or `paper` for the published recipe.
        corpora: where each corpus comes from.
        groups: corpora declared together.
        adaptive: train only the sizes and seeds that the answer needs; None is the full grid.
        convergence_checks: train a declared sample of runs again with doubled patience.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    pretrain_bytes: int
    finetune_bytes: tuple[int, ...]
    scratch_bytes: tuple[int, ...]
    learners: tuple[str, ...] = ("ngram", "transformer/nano")
    seeds: int = 3
    replicates: int = 1
    regime: Regime = "converged"
    corpora: dict[str, CorpusSpec] = {}
    groups: dict[str, Group] = {}
    splits: Splits = Splits()
    transformer: TransformerOptions = TransformerOptions()
    numerics: NumericsOptions = NumericsOptions()
    estimate: EstimateOptions = EstimateOptions()
    analysis: AnalysisOptions = AnalysisOptions()
    adaptive: AdaptiveOptions | None = None
    convergence_checks: bool = True

    def expressions(self) -> dict[str, Expression]:
        """Every source and target as written, parsed, each once, in order.

        After them come the corpora that only serve to size a transform into another script.
        """
        names = dict.fromkeys((*self.sources, *self.targets))
        parsed = {name: parse_transform(name) for name in names}
        contents = [e.corpus for e in parsed.values() if not e.keeps_byte_counts]
        return parsed | {name: Expression(name) for name in contents if name not in parsed}

    def needed_bytes(self) -> dict[str, int]:
        """Training bytes each corpus that sizes are counted in must be able to give."""
        needs: dict[str, int] = {}
        targets = {parse_transform(name).corpus for name in self.targets}
        for name in (*self.sources, *self.targets):
            as_source = self.pretrain_bytes if name in self.sources else 0
            as_target = (
                max(*self.scratch_bytes, *self.finetune_bytes) if name in self.targets else 0
            )
            # a target that is its own source, plain or transformed, pretrains on text that says
            # nothing its fine-tuning text says
            own = as_source and parse_transform(name).corpus in targets
            both = as_source + max(self.finetune_bytes) if own else 0
            content = self.sized_by(name)
            needs[content] = max(as_source, as_target, both, needs.get(content, 0))
        return needs

    def sized_by(self, name: str) -> str:
        """The corpus in whose bytes the sizes of a source or target are counted: mostly itself."""
        expression = parse_transform(name)
        return name if expression.keeps_byte_counts else expression.corpus

    def group_of(self, corpus: str) -> str | None:
        """The group a corpus is declared in, None if it stands by itself."""
        return next((name for name, g in self.groups.items() if corpus in g.corpora), None)
