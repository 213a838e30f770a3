from pathlib import Path

import msgspec

from bytetransfer.description import describe
from bytetransfer.learners.learner import Training


def test_runs_that_went_otherwise_than_asked_for_are_counted(make, store, tmp_path: Path) -> None:
    study = make.study(sources=("en",), targets=("fi",))
    plan = make.plan(study)
    file = tmp_path / "s.toml"
    file.write_text("name = 'small'\n")
    make.finish_all(store, plan)
    assert describe(study, file, plan, {}, store)["departures"] == {}
    neural = [key for key, planned in plan.runs.items() if planned.run.numerics is not None]
    for key in neural[:2]:
        training = Training(bytes_seen=1, stopped="patience", ranks=[2])
        result = msgspec.structs.replace(make.result(plan.runs[key].run), training=training)
        store.finish(result, make.environment)
    told = describe(study, file, plan, {}, store)["departures"]
    assert told == {"several processes": 2}
