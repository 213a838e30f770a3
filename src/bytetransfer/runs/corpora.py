"""Preparing a study's corpora: each source and target, once, with what they are derived from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

from bytetransfer.corpus.aligned import prepare_aligned
from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.division import Placed
from bytetransfer.corpus.inputs import Origin, refuse_changed
from bytetransfer.corpus.language_codes import named_language
from bytetransfer.corpus.prepare import MEMORY_BYTES, derive, prepare
from bytetransfer.corpus.sources import (
    kind_of,
    most_bytes,
    read_source,
)
from bytetransfer.corpus.synthetic import generate
from bytetransfer.corpus.transforms import Expression, make_transform
from bytetransfer.errors import CorpusError, StoreError
from bytetransfer.files.disk import free_bytes
from bytetransfer.planning.plan import check_size, check_sizes
from bytetransfer.runs.leftovers import sweep_preparations
from bytetransfer.runs.origins import GENERATED_SEED, TRANSFORM_SEED, Origins, first_few, naming
from bytetransfer.runs.store import Store
from bytetransfer.study.study import CorpusSpec, Study
from bytetransfer.units import format_bytes

_BATCH = 64
_BATCH_BYTES = 4_000_000
_LONG_TO_READ = 100_000_000
"""Smaller files are read before they are called too small: what is wrong in them is said first."""
_LEAST_DOCUMENTS = 512

Watch = Callable[[str, int], None]  # (corpus, bytes read so far)


class CorpusRoom:
    """The corpora of one study in one store.

    Args:
        study: what is asked for.
        base: the folder that relative paths of the study start from.
        store: where prepared corpora lie.
    """

    def __init__(self, study: Study, base: Path, store: Store) -> None:
        self._study, self._base, self._store = study, base, store
        self._placed: dict[tuple[str, ...], Placed] = {}
        self._origins = Origins(study, base, store)

    def known(self) -> dict[str, Corpus | None]:
        """Each source and target, None where it is not prepared (or its input has changed).

        Raises:
            StudyError: where files that are not prepared are smaller than what is asked of them.
        """
        found = self._found()
        for expression in (self._study.expressions()[n] for n, one in found.items() if one is None):
            self._refuse_too_little_to_read(expression.corpus)
        return found

    def _found(self) -> dict[str, Corpus | None]:
        found: dict[str, Corpus | None] = {}
        for name, expression in self._study.expressions().items():
            try:
                found[name] = self._origins.known(self._origins.asked(expression))
            except CorpusError:  # its files are not there: for a plan that is "not prepared"
                found[name] = None
        return found

    def unprepared(self) -> dict[str, str]:
        """Each source and target that is not prepared, and what changed since it last was."""
        known, expressions = self.known(), self._study.expressions()
        missing = (name for name, corpus in known.items() if corpus is None)
        return {name: self._origins.change(expressions[name]) for name in missing}

    def prepare(self, watch: Watch) -> dict[str, Corpus]:
        """Every source and target, prepared now where it is not yet.

        What can be known first is checked first: sizes of files and the room on the disk before
        anything is read, texts before anything is generated or derived.

        Raises:
            CorpusError: if text is missing, unreadable or too little.
            StudyError: if a text cannot give what the study asks of it.
            StoreError: if the disk cannot hold what is asked for.
        """
        with self._store.lock("prepare", wait=True):
            sweep_preparations(self._store)
            expressions = self._study.expressions()
            found = self._found()
            self._refuse_too_full(found)
            names = dict.fromkeys(expression.corpus for expression in expressions.values())
            texts = [name for name in names if self._origins.spec(name).text is not None]
            for name in texts:
                self._refuse_too_little_to_read(name, least=_LONG_TO_READ)
            for name in texts:
                corpus = self._get(Expression(name), watch)
                check_size(self._study, name, corpus.card.train.bytes, self._origins.need(name))
                if name in found:
                    found[name] = corpus
            cards = {name: corpus.card if corpus else None for name, corpus in found.items()}
            check_sizes(self._study, cards)
            return {name: self._get(expression, watch) for name, expression in expressions.items()}

    def _refuse_too_little_to_read(self, name: str, *, least: int = 0) -> None:
        """Raise a StudyError where files of `least` bytes or more cannot hold what is asked."""
        source = self._origins.spec(name).text
        try:
            most = None if source is None else most_bytes(source, self._base)
        except CorpusError:  # said where it is read
            return
        if most is not None and most >= least:
            check_size(self._study, name, most, self._origins.need(name), most=True)

    def _refuse_too_full(self, found: Mapping[str, Corpus | None]) -> None:
        """Raise a StoreError where the disk has not the room for what is certain to be written."""
        missing = [name for name, corpus in found.items() if corpus is None]
        needs = self._study.needed_bytes()
        sizes = {name: needs.get(name, 0) for name in missing}
        plain = (name for name in missing if self._study.expressions()[name].argument is None)
        for name in plain:
            if self._origins.spec(name).generator is not None:
                made = self._origins.generated_bytes(name)
                sizes[name] = 2 * made if made > MEMORY_BYTES else made  # it is shuffled on disk
        total, free = sum(sizes.values()), free_bytes(self._store.root)
        if total > free:
            raise StoreError(
                f"the disk has room for {format_bytes(free)}, and the corpora of the study take "
                f"{format_bytes(total)} at least ({_sizes_text(sizes)})",
                where=str(self._store.root),
                todo="lower the study's largest sizes, free some space, or use another --store",
            )

    def _get(self, expression: Expression, watch: Watch) -> Corpus:
        asked = self._origins.asked(expression)
        known = self._origins.known(asked)
        if known is not None:
            return known
        origin = self._origins.origin(asked)
        group = self._study.group_of(expression.name)
        if expression.argument is not None:
            folder = self._derived(expression, origin, watch)
        elif group is not None and self._study.groups[group].aligned:
            return self._aligned(group, watch)[expression.name]
        else:
            folder = self._plain(expression.name, origin, watch)
        refuse_changed(asked.paths, asked.states)
        return self._store.adopt_corpus(folder, origin)

    def _plain(self, name: str, origin: Origin, watch: Watch) -> Path:
        spec = self._origins.spec(name)
        placed = self._placed_before(name, watch)
        folder = self._store.new_corpus_folder(origin.key)
        batches = _counted(self._batches(name), name, watch)
        with naming(f"corpora.{name}"):
            prepare(
                batches,
                folder,
                splits=self._study.splits,
                kind=_kind(spec),
                language=spec.language,
                name=f"corpora.{name}",
                placed=placed,
            )
        return folder

    def _aligned(self, name: str, watch: Watch) -> dict[str, Corpus]:
        group = self._study.groups[name]
        asked = {m: self._origins.asked(Expression(name=m)) for m in group.corpora}
        origins = {m: self._origins.origin(asked[m]) for m in group.corpora}
        placed = self._placed_before(group.corpora[0], watch)
        folders = {m: self._store.new_corpus_folder(origins[m].key) for m in group.corpora}
        members = {m: _counted(self._batches(m), m, watch) for m in group.corpora}
        languages = {m: self._origins.spec(m).language for m in group.corpora}
        splits = self._study.splits
        with naming(f"groups.{name}"):
            prepare_aligned(members, folders, splits=splits, languages=languages, placed=placed)
        for member in asked.values():
            refuse_changed(member.paths, member.states)
        return {m: self._store.adopt_corpus(folders[m], origins[m]) for m in group.corpora}

    def _derived(self, expression: Expression, origin: Origin, watch: Watch) -> Path:
        assert expression.argument is not None
        base = self._get(expression.argument, watch)
        folder = self._store.new_corpus_folder(origin.key)
        with naming(str(expression)):
            language = base.card.language or named_language(expression.corpus)
            transform = make_transform(
                expression.name,
                expression.options,
                seed=TRANSFORM_SEED,
                sample=base.train,
                language=language,
            )
            kept = language if expression.keeps_language else None
            derive(base, transform, folder, language=kept)
        return folder

    def _placed_before(self, name: str, watch: Watch) -> Placed:
        """The documents of the aligned groups that are divided before the corpus `name` is."""
        before = self._origins.groups_before(name)
        if before not in self._placed:
            members = [m for group in before for m in self._study.groups[group].corpora]
            corpora = [self._get(Expression(name=member), watch) for member in members]
            self._placed[before] = Placed.of(corpora)
        return self._placed[before]

    def _batches(self, name: str) -> Iterable[list[bytes]]:
        spec = self._origins.spec(name)
        if spec.text is not None:
            return read_source(spec.text, self._base)
        assert spec.generator is not None
        documents = generate(spec.generator, seed=GENERATED_SEED)
        return _batched(documents, self._origins.generated_bytes(name))


def _kind(spec: CorpusSpec) -> Literal["text", "binary"]:
    if spec.text is not None:
        return kind_of(spec.text)
    assert spec.generator is not None
    return spec.generator.kind


def _sizes_text(sizes: Mapping[str, int]) -> str:
    largest = sorted(sizes, key=lambda name: -sizes[name])
    return first_few([f"{name} {format_bytes(sizes[name])}" for name in largest if sizes[name]])


def _counted(batches: Iterable[list[bytes]], name: str, watch: Watch) -> Iterator[list[bytes]]:
    total = 0
    for batch in batches:
        total += sum(map(len, batch))
        watch(name, total)
        yield batch


def _batched(documents: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Documents in batches until `size` bytes and enough documents to hold some out have passed."""
    given = count = 0
    while given < size or count < _LEAST_DOCUMENTS:
        held: list[bytes] = []
        for document in islice(documents, _BATCH):
            held.append(document)
            given += len(document)
            if sum(map(len, held)) >= _BATCH_BYTES:  # long ones do not pile up in memory
                yield held
                held = []
        count += _BATCH
        if held:
            yield held
