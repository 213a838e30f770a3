"""What makes a study impossible, said before anything is read or trained; and what surprises."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bytetransfer.corpus.language_codes import is_language
from bytetransfer.corpus.language_names import code_of_name
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.errors import StudyError
from bytetransfer.learners.catalog import LEARNER_NAMES, SURFACE, Arm, search_size, settings_for
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.study.study import Study
from bytetransfer.units import format_bytes

MOST_SEEDS = 100
MOST_REPLICATES = 50
MOST_THREADS = 1024
MOST_COUNTED_BYTES = 2**32 - 1
"""Of text in one run of the n-gram learner, whose counts have 32 bits."""
MOST_SEQUENCES = 1_000_000
"""Of a step; the published recipe takes 512."""
LEAST_ADAPTIVE_SEEDS = 3
"""With two, stopping by luck is likelier (`benchmarks/adaptive.py`: .944 against .953)."""

_ARMS: tuple[Arm, Arm] = ("scratch", "finetune")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def remarks(study: Study) -> list[str]:
    """What is allowed and will surprise, for whoever plans the study."""
    most = max(study.scratch_bytes)
    beyond = [format_bytes(size) for size in study.finetune_bytes if size > most]
    if not beyond:
        return []
    return [
        f"Fine-tuning on {', '.join(beyond)} goes beyond the largest from-scratch size, "
        f"{format_bytes(most)}: D_E there can only be a bound."
    ]


def check_study(study: Study, *, where: str) -> None:
    """Refuse what has no meaning before anything is read or trained.

    Raises:
        StudyError: with the file, the key and what to write.
    """
    _check_name(study.name, where=where)
    for key in ("sources", "targets", "learners"):
        _check_list(key, getattr(study, key), where=where)
    _check_sizes(study, where=where)
    for learner in study.learners:
        if learner not in LEARNER_NAMES:
            raise StudyError(
                f"no learner {learner!r}",
                where=f"{where}, learners",
                todo=f"choose from {', '.join(LEARNER_NAMES)}",
            )
    _check_counted(study, where=where)
    for name, expression in study.expressions().items():
        _check_known(study, name, expression.corpus, where=where)
    _check_controls(study, where=where)
    _check_groups(study, where=where)
    _check_languages(study, where=where)
    _check_options(study, where=where)


def _check_name(name: str, *, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise StudyError(
            f"{name[:50]!r} cannot name a folder",
            where=f"{where}, name",
            todo="use letters, digits, '.', '_' and '-', at most 100 of them",
        )


def _check_list(key: str, values: tuple[str, ...], *, where: str) -> None:
    if not values:
        raise StudyError("the list is empty", where=f"{where}, {key}", todo="name at least one")
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        what = f"{repeated[0]!r} stands there twice"
        raise StudyError(what, where=f"{where}, {key}", todo="remove one of them")
    if SCRATCH in values:
        raise StudyError(
            f"{SCRATCH!r} is the name of training from scratch",
            where=f"{where}, {key}",
            todo="give that corpus another name",
        )


def _check_sizes(study: Study, *, where: str) -> None:
    for key in ("finetune_bytes", "scratch_bytes"):
        sizes = getattr(study, key)
        if list(sizes) != sorted(set(sizes)) or not sizes:
            raise StudyError(
                "sizes must ascend and not repeat",
                where=f"{where}, {key}",
                todo=f"write {sorted(set(sizes)) or ['10kB', '100kB']}",
            )
    if len(study.scratch_bytes) < 2 or study.scratch_bytes[0] < 1:
        raise StudyError(
            "a curve needs at least two sizes above 0",
            where=f"{where}, scratch_bytes",
            todo='write for example scratch_bytes = ["10kB", "100kB"]',
        )
    if study.pretrain_bytes < 1:
        todo = 'write for example pretrain_bytes = "2.5MB"'
        raise StudyError("must be above 0", where=f"{where}, pretrain_bytes", todo=todo)
    if study.seeds < 1:
        raise StudyError("must be at least 1", where=f"{where}, seeds", todo="write seeds = 3")
    _check_replicates(study, where=where)
    own = sorted(set(study.sources) & set(study.targets))
    most = study.pretrain_bytes + max(study.finetune_bytes)
    if own and most > max(study.scratch_bytes):
        raise StudyError(
            f"{own[0]!r} is its own source, and pretrain_bytes and the largest finetune_bytes "
            f"together ({most} bytes) exceed the largest from-scratch size",
            where=f"{where}, scratch_bytes",
            todo=f"add a size of at least {most}, or lower pretrain_bytes",
        )


def _check_replicates(study: Study, *, where: str) -> None:
    place = f"{where}, replicates"
    if not 1 <= study.replicates <= MOST_REPLICATES:
        todo = f"write a number from 1 to {MOST_REPLICATES}, for example replicates = 3"
        raise StudyError(f"{study.replicates} is out of range", where=place, todo=todo)
    if study.splits.seed + study.replicates > 2**32:
        raise StudyError(
            "splits.seed is too large: each replicate adds 1 to it, and it stays below 2^32",
            where=place,
            todo="write a smaller seed under [splits]",
        )
    if study.replicates > 1 and study.adaptive is not None:
        raise StudyError(
            "an adaptive study has one replicate, since each would ask for other sizes",
            where=place,
            todo="write adaptive = false, or leave replicates out",
        )


def _check_counted(study: Study, *, where: str) -> None:
    """What the n-gram learner would refuse after everything is prepared is refused at once."""
    sizes = {
        "pretrain_bytes": study.pretrain_bytes,
        "finetune_bytes": max(study.finetune_bytes),
        "scratch_bytes": max(study.scratch_bytes),
    }
    for key, size in sizes.items():
        if SURFACE in study.learners and size > MOST_COUNTED_BYTES:
            raise StudyError(
                f"{format_bytes(size)} are too many for the learner {SURFACE}",
                where=f"{where}, {key}",
                todo=f"write at most {format_bytes(4e9)}, or leave {SURFACE} out of learners",
            )


def _check_known(study: Study, name: str, corpus: str, *, where: str) -> None:
    grouped = {member for group in study.groups.values() for member in group.corpora}
    if corpus in study.corpora or corpus in grouped or corpus in GENERATORS:
        return
    known = sorted({*study.corpora, *grouped})
    raise StudyError(
        f"no corpus {corpus!r}" + (f" (in {name!r})" if name != corpus else ""),
        where=f"{where}, corpora",
        todo=f"declare [corpora.{corpus}], or use one of: {', '.join(known) or 'none declared'}",
    )


def _check_controls(study: Study, *, where: str) -> None:
    """Text under the name of a control would be read as the control by whoever sees the result."""
    read = {name for name, spec in study.corpora.items() if spec.text is not None}
    read |= {member for group in study.groups.values() for member in group.corpora}
    for name in sorted(read & GENERATORS.keys()):
        raise StudyError(
            f"{name!r} is the name of a built-in control and stands for text here",
            where=f"{where}, corpora.{name}",
            todo="give that corpus another name",
        )


def _check_languages(study: Study, *, where: str) -> None:
    """A word that is no code would be useless later: to detectors, distances and names."""
    stated = {
        f"corpora.{name}.language": spec.language
        for name, spec in study.corpora.items()
        if spec.language is not None
    } | {
        f"groups.{group}.languages.{name}": tag
        for group, members in study.groups.items()
        for name, tag in members.languages.items()
    }
    for key, tag in stated.items():
        if not is_language(tag):
            code = code_of_name(tag)
            hint = f"write {code!r}" if code else "write an ISO 639 code, for example 'fi'"
            raise StudyError(
                f"{tag[:50]!r} is no code of a language",
                where=f"{where}, {key}",
                todo=f"{hint}; what is in no language needs none: leave it out",
            )


def _check_groups(study: Study, *, where: str) -> None:
    seen: dict[str, str] = dict.fromkeys(study.corpora, "[corpora]")
    for name, group in study.groups.items():
        place = f"{where}, groups.{name}"
        if "{corpus}" not in group.files:
            raise StudyError(
                "files must hold {corpus} in place of the corpus's name",
                where=f"{place}.files",
                todo='write for example files = "bible/{corpus}.txt.gz"',
            )
        if not group.corpora:
            raise StudyError("the list is empty", where=f"{place}.corpora", todo="name its members")
        strangers = sorted(group.languages.keys() - set(group.corpora))
        if strangers:
            raise StudyError(
                f"{strangers[0]!r} is no member of the group",
                where=f"{place}.languages",
                todo=f"its members: {', '.join(group.corpora)}",
            )
        for member in group.corpora:
            if member in seen:
                what = f"{member!r} is declared in {seen[member]} as well"
                raise StudyError(what, where=place, todo="remove one of them")
            seen[member] = f"groups.{name}"


def _check_options(study: Study, *, where: str) -> None:
    rates = study.transformer
    arms = (rates.scratch_learning_rates, rates.finetune_learning_rates)
    positive: Mapping[str, float | int | None] = {
        "transformer.batch": rates.batch,
        "transformer.patience": rates.patience,
        "transformer.most_bytes": rates.most_bytes,
        "transformer.most_pretrain_bytes": rates.most_pretrain_bytes,
        "transformer.pretrain_learning_rate": rates.pretrain_learning_rate,
        "transformer.scratch_learning_rates": min(arms[0] or (1.0,)),
        "transformer.finetune_learning_rates": min(arms[1] or (1.0,)),
        "numerics.threads": study.numerics.threads,
        "estimate.resamples": study.estimate.resamples,
    }
    for key, value in positive.items():
        if value is not None and value <= 0:
            todo = "write a number above 0"
            raise StudyError(f"{value} is not above 0", where=f"{where}, {key}", todo=todo)
    limits = {
        "transformer.batch": (rates.batch, MOST_SEQUENCES),
        "numerics.threads": (study.numerics.threads, MOST_THREADS),
    }
    for key, (value, most) in limits.items():
        if value is not None and value > most:
            what = f"{value} is too many"
            raise StudyError(what, where=f"{where}, {key}", todo=f"write at most {most}")
    asked = {key for key in ("pretrain_learning_rate", "scratch_learning_rates",
             "finetune_learning_rates", "patience", "most_bytes", "most_pretrain_bytes")
             if getattr(rates, key) is not None}  # fmt: skip
    if study.regime == "paper" and asked:
        raise StudyError(
            "the regime 'paper' is a fixed recipe and has no such value",
            where=f"{where}, transformer.{min(asked)}",
            todo='remove it, or use regime = "converged"',
        )
    _check_search(study, where=where)
    _check_estimate(study, where=where)
    _check_adaptive(study, where=where)
    _check_analysis(study, where=where)


def _check_search(study: Study, *, where: str) -> None:
    """Both arms are searched alike, presets' own values included."""
    spaces = {
        "scratch_learning_rates": study.transformer.scratch_learning_rates,
        "finetune_learning_rates": study.transformer.finetune_learning_rates,
    }
    for key, rates in spaces.items():
        if rates is not None and len(set(rates)) < max(1, len(rates)):
            raise StudyError(
                "holds the same value twice" if rates else "the list is empty",
                where=f"{where}, transformer.{key}",
                todo=f"write for example {key} = [1e-3, 3e-3]",
            )
    for learner in study.learners:
        sizes = [
            search_size(
                settings_for(learner, study.regime, arm, study.transformer, is_largest=False)
            )
            for arm in _ARMS
        ]
        if sizes[0] != sizes[1]:
            raise StudyError(
                f"both arms must be searched alike, and {learner} has {sizes[0]} learning rates "
                f"from scratch and {sizes[1]} in fine-tuning",
                where=f"{where}, transformer",
                todo="give as many scratch_learning_rates as finetune_learning_rates",
            )


def _check_estimate(study: Study, *, where: str) -> None:
    if study.estimate.extrapolate and study.estimate.method != "power_law":
        raise StudyError(
            f"the method {study.estimate.method} cannot extrapolate; only power_law can",
            where=f"{where}, estimate.extrapolate",
            todo='write method = "power_law", or leave extrapolate out',
        )
    if study.estimate.seed < 0:
        raise StudyError(
            f"{study.estimate.seed} is below 0", where=f"{where}, estimate.seed", todo="write 0"
        )
    if not 100 <= study.estimate.resamples <= 100_000:
        raise StudyError(
            f"{study.estimate.resamples} resamples are too few or too many for an interval",
            where=f"{where}, estimate.resamples",
            todo="write a number from 100 to 100000, for example 2000",
        )
    if study.seeds > MOST_SEEDS:
        todo = f"write at most {MOST_SEEDS}; three to five are usual"
        raise StudyError(f"{study.seeds} is too many", where=f"{where}, seeds", todo=todo)
    if not 0.5 <= study.estimate.level < 1:
        raise StudyError(
            f"{study.estimate.level} is no level of confidence",
            where=f"{where}, estimate.level",
            todo="write a number from 0.5 to below 1, for example 0.95",
        )


def _check_adaptive(study: Study, *, where: str) -> None:
    """Without an interval, or with one that stopping early would spoil, there is no rule to end."""
    options = study.adaptive
    if options is None:
        return
    if not 1.05 <= options.width <= 10:
        raise StudyError(
            f"{options.width} is no width to come down to",
            where=f"{where}, adaptive.width",
            todo="write the upper limit over the lower one, from 1.05 to 10, for example 1.5",
        )
    if study.seeds < LEAST_ADAPTIVE_SEEDS:
        raise StudyError(
            f"an adaptive study begins with {LEAST_ADAPTIVE_SEEDS} seeds at least",
            where=f"{where}, seeds",
            todo=f"write seeds = {LEAST_ADAPTIVE_SEEDS}: whether to stop is judged by their spread",
        )
    if not study.seeds <= options.most_seeds <= MOST_SEEDS:
        raise StudyError(
            f"most_seeds = {options.most_seeds} is not between seeds = {study.seeds} and "
            f"{MOST_SEEDS}",
            where=f"{where}, adaptive.most_seeds",
            todo=f"write for example most_seeds = {max(study.seeds, 10)}",
        )
    if study.estimate.method == "published":
        raise StudyError(
            "the published reading has no interval to come down to",
            where=f"{where}, estimate.method",
            todo='write method = "monotone"',
        )


def _check_analysis(study: Study, *, where: str) -> None:
    options = study.analysis
    if not 1 < options.factor < float("inf"):
        todo = "write a number above 1, for example 2"
        what = f"{options.factor} is no factor to be alike within"
        raise StudyError(what, where=f"{where}, analysis.factor", todo=todo)
    for target, source in options.close.items():
        for name, known, kind in (
            (target, study.targets, "target"),
            (source, study.sources, "source"),
        ):
            if name not in known:
                raise StudyError(
                    f"{name!r} is no {kind} of the study",
                    where=f"{where}, analysis.close",
                    todo=f"write TARGET = SOURCE; the {kind}s are {', '.join(known)}",
                )
        if target == source:
            raise StudyError(
                f"{target!r} is not a close source of itself",
                where=f"{where}, analysis.close",
                todo="name another source",
            )
