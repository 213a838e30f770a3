import hashlib
from pathlib import Path

import msgspec

from bytetransfer.identity import canonical_json
from bytetransfer.learners.learner import Training
from bytetransfer.runs.description import describe


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


def test_what_is_not_vouched_for_is_counted(make, store, tmp_path: Path) -> None:
    study = make.study(sources=("en",), targets=("fi",))
    plan = make.plan(study)
    file = tmp_path / "s.toml"
    file.write_text("name = 'small'\n")
    make.finish_all(store, plan)
    assert "runs of unknown time and machine" not in describe(study, file, plan, {}, store)["costs"]
    first, second, *_ = plan.runs
    (store.run_folder(first) / "environment.json").write_text("{")
    (store.run_folder(second) / "environment.json").unlink()
    result = canonical_json(store.result(second))
    (store.run_folder(second) / "result.json").write_text(result)
    told = describe(study, file, plan, {}, store)
    assert told["costs"]["runs of unknown time and machine"] == 2
    assert list(told["departures"].values()) == [1]
    assert "without a digest" in next(iter(told["departures"]))


def test_the_hardware_is_what_the_runs_recorded(make, store, tmp_path: Path) -> None:
    plan = make.plan(make.study(sources=("en",), targets=("fi",)))
    file = tmp_path / "s.toml"
    file.write_text("name = 'small'\n")
    make.finish_all(store, plan)
    neural = [key for key, planned in plan.runs.items() if planned.run.numerics is not None]
    smaller = msgspec.structs.replace(plan.runs[neural[0]].run.numerics, micro_batch=8)
    changed = msgspec.structs.replace(
        make.result(plan.runs[neural[0]].run), changed_numerics=smaller
    )
    store.finish(changed, make.environment)
    machine = describe(make.study(), file, plan, {}, store)["machine"]
    assert machine["machine"] == "x"
    assert machine["device of transformers"] == "cpu"
    assert machine["precision of their matrix products"] == "fp32"
    assert machine["threads a run"] == "1"
    assert machine["sequences at a time"] == "16, 8"


def test_without_transformers_nothing_is_said_of_how_they_compute(
    make, store, tmp_path: Path
) -> None:
    study = make.study(sources=("en",), targets=("fi",), learners=("ngram",))
    file = tmp_path / "s.toml"
    file.write_text("name = 'small'\n")
    plan = make.plan(study)
    make.finish_all(store, plan)
    assert describe(study, file, plan, {}, store)["machine"] == {"machine": "x"}


def test_the_digest_of_the_study_file_is_that_of_its_bytes(make, store, tmp_path: Path) -> None:
    study = make.study(sources=("en",), targets=("fi",))
    file = tmp_path / "s.toml"
    file.write_bytes(b"name = 'small'\r\n")
    digests = describe(study, file, make.plan(study), {}, store)["digests"]
    assert digests["s.toml (SHA-256)"] == hashlib.sha256(file.read_bytes()).hexdigest()
