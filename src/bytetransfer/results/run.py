"""A study from its file to its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from bytetransfer.errors import RunFailedError
from bytetransfer.planning.plan import Plan
from bytetransfer.results.project import Project
from bytetransfer.results.results import Results
from bytetransfer.runs.calibrate import bytes_per_second_apart
from bytetransfer.runs.execute import State
from bytetransfer.runs.status import Forecast
from bytetransfer.runs.store import Store

_MOST_LABELS = 5


class Progress:
    """What a running study tells whoever waits for it; here nothing is made of it."""

    def note(self, text: str) -> None:
        """Something that the user should know, as a line."""

    def preparing(self) -> AbstractContextManager[Callable[[str, int], None]]:
        """Entered while text is prepared; gets the name of a corpus and how much of it is read."""
        return nullcontext(lambda corpus, bytes_read: None)

    def running(
        self, plan: Plan, store: Store, workers: int, cost: Callable[[], Forecast]
    ) -> AbstractContextManager[Callable[[State], None]]:
        """Entered for each stage of a study; gets every state of its runs.

        Args:
            plan: the runs of the stage.
            store: where they lie.
            workers: how many run at a time.
            cost: what is left of the stage would take; timed when it is called.
        """
        return nullcontext(lambda state: None)

    def written(self, results: Results, page: Path) -> None:
        """Everything is written; runs that failed are told after it."""


def run_study(
    path: str | Path,
    *,
    store: str | Path | None = None,
    workers: int | None = None,
    ranks: int = 1,
    progress: Progress | None = None,
) -> Results:
    """Do what is missing of a study: prepare, train, estimate, report.

    Stopped at any moment, it goes on from there when it is called again. Runs train in worker
    processes of their own, so that a script needs no `if __name__ == "__main__"`.

    Args:
        path: the study file.
        store: folder of corpora and runs; by default `.bytetransfer` beside the study file.
        workers: runs at a time; by default as many as the machine has GPUs for, or else cores.
        ranks: processes, one per device, that share each run of a transformer.
        progress: is told how far the study is.

    Returns:
        The results, which are written into `results/<name>` beside the study file, with the report.

    Raises:
        UserError: for what the user can put right: the study file, its text, the disk.
        RunFailedError: if runs failed or were deleted; the results of the others are written.
    """
    progress = progress or Progress()
    project = Project.open(Path(path), store=None if store is None else Path(store))
    for remark in project.remarks():
        progress.note(remark)
    with progress.preparing() as watch:
        corpora = project.prepare(watch)
    for stage in project.stages(corpora):
        plan = stage.plan
        if note := project.stage_note(stage):
            progress.note(f"adaptive: {note}")
        many = workers or project.default_workers(plan, ranks=ranks)
        cost = partial(project.forecast, stage, workers=many, speed=bytes_per_second_apart)
        with progress.running(plan, project.store, many, cost) as show:
            state = project.run(plan, workers=many, ranks=ranks, watch=show)
    results = project.results(plan)
    if note := project.unverified_note(plan):
        progress.note(note)
    results.write()
    progress.written(results, results.write_report())
    if state.failed:
        raise RunFailedError(_failed(plan, state, project.store))
    if lost := project.lost(plan, state, results.measurements):
        raise RunFailedError(_lost(lost))
    return results


def _failed(plan: Plan, state: State, store: Store) -> str:
    """What to say of runs that failed."""
    lines = [f"{len(state.failed)} runs failed, {len(state.blocked)} wait for them"]
    for key, reason in list(state.failed.items())[:5]:
        lines += [f"  {plan.runs[key].label}: {reason}", f"    {store.run_folder(key)}/failure.txt"]
    lines.append("the same command tries them again; the results of the others are kept")
    return "\n".join(lines)


def _lost(labels: Sequence[str]) -> str:
    """What to say of runs whose results were deleted before they could be read."""
    shown = [*labels[:_MOST_LABELS], *(["..."] if len(labels) > _MOST_LABELS else [])]
    lines = [f"{len(labels)} runs were done and deleted while the study ran; what is printed and"]
    lines.append("written is without them. The same command does them again:")
    return "\n".join([*lines, *(f"  {label}" for label in shown)])
