"""Preparing a study's corpora: each source and target, once, with what they are derived from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from bytetransfer.corpus.aligned import prepare_aligned
from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.division import Placed
from bytetransfer.corpus.language_codes import named_language
from bytetransfer.corpus.prepare import derive, prepare
from bytetransfer.corpus.sources import FileSource, input_files, kind_of, read_source
from bytetransfer.corpus.synthetic import GENERATORS, generate
from bytetransfer.corpus.transforms import Expression, make_transform
from bytetransfer.errors import CorpusError, MissingExtraError, UserError
from bytetransfer.identity import digest
from bytetransfer.store import Origin, Store
from bytetransfer.study import CorpusSpec, Group, Study

PREPARATION_FORMAT = 2
"""Raised when the same input would be prepared differently: part of the key of known inputs."""

_GENERATED_SEED = 0
_TRANSFORM_SEED = 0
_BATCH = 64
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

    def known(self) -> dict[str, Corpus | None]:
        """Each source and target, None where it is not prepared (or its input has changed)."""
        found: dict[str, Corpus | None] = {}
        for name, expression in self._study.expressions().items():
            try:
                found[name] = self._store.known_corpus(self._origin(expression).key)
            except CorpusError:  # its files are not there: for a plan that is "not prepared"
                found[name] = None
        return found

    def unprepared(self) -> dict[str, str]:
        """Each source and target that is not prepared, and what changed since it last was."""
        known, expressions = self.known(), self._study.expressions()
        return {n: self._change(expressions[n]) for n, corpus in known.items() if corpus is None}

    def prepare(self, watch: Watch) -> dict[str, Corpus]:
        """Every source and target, prepared now where it is not yet.

        Raises:
            CorpusError: if text is missing, unreadable or too little.
        """
        with self._store.lock("prepare", wait=True):
            expressions = self._study.expressions()
            return {name: self._get(expression, watch) for name, expression in expressions.items()}

    def _get(self, expression: Expression, watch: Watch) -> Corpus:
        origin = self._origin(expression)
        known = self._store.known_corpus(origin.key)
        if known is not None:
            return known
        group = self._study.group_of(expression.name)
        if expression.argument is not None:
            folder = self._derived(expression, origin, watch)
        elif group is not None and self._study.groups[group].aligned:
            return self._aligned(group, watch)[expression.name]
        else:
            folder = self._plain(expression.name, origin, watch)
        return self._store.adopt_corpus(folder, origin)

    def _plain(self, name: str, origin: Origin, watch: Watch) -> Path:
        spec = self._spec(name)
        placed = self._placed_before(name, watch)
        folder = self._store.new_corpus_folder(origin.key)
        batches = _counted(self._batches(name), name, watch)
        with _naming(f"corpora.{name}"):
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
        origins = {m: self._origin(Expression(name=m)) for m in group.corpora}
        placed = self._placed_before(group.corpora[0], watch)
        folders = {m: self._store.new_corpus_folder(origins[m].key) for m in group.corpora}
        members = {m: _counted(self._batches(m), m, watch) for m in group.corpora}
        languages = {m: self._spec(m).language for m in group.corpora}
        splits = self._study.splits
        with _naming(f"groups.{name}"):
            prepare_aligned(members, folders, splits=splits, languages=languages, placed=placed)
        return {m: self._store.adopt_corpus(folders[m], origins[m]) for m in group.corpora}

    def _derived(self, expression: Expression, origin: Origin, watch: Watch) -> Path:
        assert expression.argument is not None
        base = self._get(expression.argument, watch)
        folder = self._store.new_corpus_folder(origin.key)
        with _naming(str(expression)):
            language = base.card.language or named_language(expression.corpus)
            transform = make_transform(
                expression.name,
                expression.options,
                seed=_TRANSFORM_SEED,
                sample=base.train,
                language=language,
            )
            kept = language if expression.keeps_language else None
            derive(base, transform, folder, language=kept)
        return folder

    def _placed_before(self, name: str, watch: Watch) -> Placed:
        """The documents of the aligned groups that are divided before the corpus `name` is."""
        before = self._groups_before(name)
        if before not in self._placed:
            members = [m for group in before for m in self._study.groups[group].corpora]
            corpora = [self._get(Expression(name=member), watch) for member in members]
            self._placed[before] = Placed.of(corpora)
        return self._placed[before]

    def _groups_before(self, name: str) -> tuple[str, ...]:
        """Aligned groups of the study that decide for `name` where shared documents stand.

        They are divided one after the other, by name, and before all other corpora.
        """
        used = {expression.corpus for expression in self._study.expressions().values()}
        groups = self._study.groups.items()
        aligned = sorted(n for n, group in groups if group.aligned and used & set(group.corpora))
        own = self._study.group_of(name)
        return tuple(aligned[: aligned.index(own)] if own in aligned else aligned)

    def _spec(self, name: str) -> CorpusSpec:
        if name in self._study.corpora:
            return self._study.corpora[name]
        group = self._study.group_of(name)
        if group is not None:
            return _member(self._study.groups[group], name)
        return CorpusSpec(generator=GENERATORS[name]())

    def _batches(self, name: str) -> Iterable[list[bytes]]:
        spec = self._spec(name)
        if spec.text is not None:
            return read_source(spec.text, self._base)
        assert spec.generator is not None
        documents = generate(spec.generator, seed=_GENERATED_SEED)
        return _batched(documents, self._generated_bytes(name))

    def _generated_bytes(self, name: str) -> int:
        """How much a generator must give so that its training part suffices for the study."""
        needs = self._study.needed_bytes()
        expressions = self._study.expressions()
        need = max(
            needs.get(n, 0) for n, expression in expressions.items() if expression.corpus == name
        )
        splits = self._study.splits
        held_out = splits.validation_share + splits.test_share
        # the shares are of documents by hash: allow for their luck
        return int(need / (1 - held_out) * 1.1) + 50_000

    def _origin(self, expression: Expression) -> Origin:
        """What the corpus is prepared from: its own input and the groups divided before it."""
        name = expression.corpus
        groups = [*self._groups_before(name)]
        own = self._study.group_of(name)
        if own is not None and self._study.groups[own].aligned:
            groups.append(own)
        members = [m for group in groups for m in self._study.groups[group].corpora]
        inputs: list[object] = []
        files: dict[str, tuple[int, int]] = {}
        for read in dict.fromkeys([*members, name]):
            described, found = self._input(read)
            inputs.append([read, described, found])
            files |= found
        fixed = [PREPARATION_FORMAT, _GENERATED_SEED, _TRANSFORM_SEED, *expression.depends_on]
        what = [str(expression), groups, inputs, self._study.splits, fixed]
        return Origin(key=digest(what), corpus=str(expression), files=files)

    def _input(self, name: str) -> tuple[object, dict[str, tuple[int, int]]]:
        """What a corpus is read from, as the study states it, and its local files."""
        spec = self._spec(name)
        if spec.text is None:
            return [spec.language, spec.generator, self._generated_bytes(name)], {}
        with _naming(name):
            return [spec.language, spec.text], input_files(spec.text, self._base)

    def _change(self, expression: Expression) -> str:
        """What differs from when the corpus was last prepared."""
        last = self._store.last_origin(str(expression))
        if last is None:
            return "never prepared"
        try:
            files = self._origin(expression).files
        except CorpusError as error:
            return f"{error.where}: {error.what}"
        found = [_short(f, self._base) for f in files if last.files.get(f, files[f]) != files[f]]
        if found:
            return f"changed since it was prepared: {_first_few(found)}"
        found = [_short(f, self._base) for f in sorted(set(files) ^ set(last.files))]
        if found:
            return f"other files than it was prepared from: {_first_few(found)}"
        return "the study file asks for something else than when it was prepared"


def _kind(spec: CorpusSpec) -> Literal["text", "binary"]:
    if spec.text is not None:
        return kind_of(spec.text)
    assert spec.generator is not None
    return spec.generator.kind


class _naming:
    """Puts the corpus's name before the message of whatever is wrong with it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MissingExtraError):  # it is the install that lacks something
            return
        if isinstance(error, UserError) and not error.where.startswith(self._name):
            place = f"{self._name} ({error.where})" if error.where else self._name
            raise type(error)(error.what, where=place, todo=error.todo) from error


def _member(group: Group, name: str) -> CorpusSpec:
    files = group.files.replace("{corpus}", name)
    source = FileSource(
        files=(files,),
        documents=group.documents,
        column=group.column,
        errors=group.errors,
        format=group.format,
        most_document_bytes=group.most_document_bytes,
    )
    return CorpusSpec(text=source, language=group.languages.get(name, name))


def _short(file: str, base: Path) -> str:
    path, home = Path(file), base.resolve()
    return str(path.relative_to(home)) if path.is_relative_to(home) else file


def _first_few(names: list[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


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
        batch = list(islice(documents, _BATCH))
        given += sum(map(len, batch))
        count += len(batch)
        yield batch
