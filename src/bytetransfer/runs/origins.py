"""What each corpus of a study is prepared from, and whether that was done before."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.inputs import FileState, Inputs, Origin, file_state
from bytetransfer.corpus.language_codes import is_language
from bytetransfer.corpus.sources import FileSource, input_files
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.corpus.transforms import Expression
from bytetransfer.errors import CorpusError, MissingExtraError, StoreError, UserError
from bytetransfer.files.disk import shown_path
from bytetransfer.identity import digest
from bytetransfer.runs.store import Store
from bytetransfer.study.study import CorpusSpec, Group, Study

PREPARATION_FORMAT = 2
"""Raised when the same input would be prepared differently: part of the key of known inputs."""

GENERATED_SEED = 0
TRANSFORM_SEED = 0


class Origins:
    """Where the corpora of one study come from, and what the store knows of them.

    Args:
        study: what is asked for.
        base: the folder that relative paths of the study start from.
        store: where prepared corpora lie.
    """

    def __init__(self, study: Study, base: Path, store: Store) -> None:
        self._study, self._base, self._store = study, base, store
        self._inputs = Inputs()

    def spec(self, name: str) -> CorpusSpec:
        """Where a corpus comes from, declared by itself, in a group, or built in."""
        if name in self._study.corpora:
            return self._study.corpora[name]
        group = self._study.group_of(name)
        if group is not None:
            return _member(self._study.groups[group], name)
        return CorpusSpec(generator=GENERATORS[name]())

    def groups_before(self, name: str) -> tuple[str, ...]:
        """Aligned groups of the study that decide for `name` where shared documents stand.

        They are divided one after the other, by name, and before all other corpora.
        """
        used = {expression.corpus for expression in self._study.expressions().values()}
        groups = self._study.groups.items()
        aligned = sorted(n for n, group in groups if group.aligned and used & set(group.corpora))
        own = self._study.group_of(name)
        return tuple(aligned[: aligned.index(own)] if own in aligned else aligned)

    def need(self, name: str) -> int:
        """Training bytes that a corpus must give, for itself or for what is derived from it."""
        needs = self._study.needed_bytes()
        expressions = self._study.expressions().items()
        return max(needs.get(n, 0) for n, expression in expressions if expression.corpus == name)

    def generated_bytes(self, name: str) -> int:
        """How much a generator must give so that its training part suffices for the study."""
        need = self.need(name)
        splits = self._study.splits
        held_out = splits.validation_share + splits.test_share
        # the shares are of documents by hash: allow for their luck
        return int(need / (1 - held_out) * 1.1) + 50_000

    def asked(self, expression: Expression) -> Asked:
        """What the corpus is prepared from: its own input and the groups divided before it."""
        name = expression.corpus
        groups = [*self.groups_before(name)]
        own = self._study.group_of(name)
        if own is not None and self._study.groups[own].aligned:
            groups.append(own)
        members = [m for group in groups for m in self._study.groups[group].corpora]
        inputs: list[object] = []
        paths: list[Path] = []
        for read in dict.fromkeys([*members, name]):
            described, found = self._input(read)
            inputs.append([read, described, len(found)])
            paths += found
        fixed = [PREPARATION_FORMAT, GENERATED_SEED, TRANSFORM_SEED, *expression.depends_on]
        what = [str(expression), groups, inputs, self._study.splits, fixed]
        with naming(name):
            states = [file_state(path) for path in paths]
        return Asked(str(expression), digest(what), paths, states)

    def origin(self, asked: Asked) -> Origin:
        """With the content of all files, which are read for it."""
        with naming(asked.corpus):
            files = tuple(
                self._inputs.with_content(path, state)
                for path, state in zip(asked.paths, asked.states, strict=True)
            )
        key = digest([asked.digest, [[file.name, file.content] for file in files]])
        return Origin(key=key, asked=asked.digest, corpus=asked.corpus, files=files)

    def known(self, asked: Asked) -> Corpus | None:
        """The corpus that is asked for, None if it has to be prepared.

        Files that are not as they were are read, and where their content is the same the corpus
        still is what it was: copied, moved and checked out again, it is not prepared again.
        """
        entries = self._store.known_corpora(asked.digest)
        entries.sort(key=lambda known: not asked.is_of(known.origin.files))
        for known in entries:
            files = self._inputs.renewed(asked.paths, asked.states, known.origin.files)
            if files is None:
                continue
            if not asked.is_of(known.origin.files):
                known = replace(known, origin=replace(known.origin, files=files))
                with contextlib.suppress(StoreError):  # it is read again next time
                    self._store.know_corpus(known)
            return self._store.known_corpus(known)
        return None

    def _input(self, name: str) -> tuple[object, list[Path]]:
        """What a corpus is read from, as the study states it, and its local files."""
        spec = self.spec(name)
        if spec.text is None:
            return [spec.language, spec.generator, self.generated_bytes(name)], []
        with naming(name):
            return [spec.language, spec.text], input_files(spec.text, self._base)

    def change(self, expression: Expression) -> str:
        """What differs from when the corpus was last prepared."""
        try:
            asked = self.asked(expression)
        except CorpusError as error:
            return f"{error.where}: {error.what}"
        files = {state.path: state for state in asked.states}
        last = self._store.last_origin(str(expression))
        if last is None:
            index = self._store.index_of(asked.digest)
            return f"damaged: {shown_path(index)}" if index else "never prepared"
        before = {state.path: state for state in last.files}
        both = [path for path in files if path in before]
        found = [_short(f, self._base) for f in both if not files[f].is_same(before[f])]
        if found:
            return f"changed since it was prepared: {first_few(found)}"
        found = [_short(f, self._base) for f in sorted(set(files) ^ set(before))]
        if found:
            return f"other files than it was prepared from: {first_few(found)}"
        if last.asked == asked.digest:
            return "its prepared text was deleted, or what is known of it is damaged"
        return "the study file asks for something else than when it was prepared"


@dataclass(frozen=True)
class Asked:
    """What a corpus is to be prepared from, its files not read.

    Attributes:
        corpus: what the study calls it.
        digest: of all that is asked but the files.
        paths: the files.
        states: what is known of each without reading it.
    """

    corpus: str
    digest: str
    paths: list[Path]
    states: list[FileState]

    def is_of(self, files: Sequence[FileState]) -> bool:
        """Whether these are the very files, unchanged."""
        return len(files) == len(self.states) and all(map(FileState.is_same, self.states, files))


class naming:
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
    language = group.languages.get(name, name if is_language(name) else None)
    return CorpusSpec(text=source, language=language)


def _short(file: str, base: Path) -> str:
    path, home = Path(file), shown_path(base.resolve())
    return str(path.relative_to(home)) if path.is_relative_to(home) else file


def first_few(names: list[str], count: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
