import msgspec
import pytest

from bytetransfer.identity import canonical_json
from bytetransfer.learners.learner import Training
from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import (
    Converged,
    Paper,
    TransformerSettings,
    preset,
)
from bytetransfer.planning.run import Loss, Result, Run, Sample, departures


def neural(make, recipe=None):
    return make.run(
        kind="finetune",
        settings=preset("nano", recipe=recipe),
        parent="p" * 32,
        chosen_by="c" * 32,
        numerics=Numerics(),
    )


@pytest.mark.parametrize("recipe", [Converged(), Paper()])
def test_a_run_and_back_is_the_same_run_with_the_same_key(make, recipe):
    for run in (make.run(), neural(make, recipe), make.run(sample=None)):
        again = msgspec.json.decode(canonical_json(run), type=Run)
        assert again == run
        assert again.key == run.key


def variants(value):
    """The value of a field, changed."""
    if value is msgspec.UNSET:  # the one such field can only be set to true
        return True
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return 2 * value or 1
    if isinstance(value, float):
        return value / 2
    if isinstance(value, tuple):
        return (*value, 10_000)
    others = {"fp32": "bf16", "cpu": "cuda", "matmul": "sdpa", "near": "far", "finetune": "scratch"}
    return others.get(value, f"{value}x")


def changed(struct):
    """The struct with each field changed in turn, however deep, with the field's name."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            inner = list(changed(value))
        elif name == "windows_cross_documents":  # has one value only
            continue
        else:
            inner = [("", variants(value))]
        for field, new in inner:
            yield f"{name}.{field}", msgspec.structs.replace(struct, **{name: new})


@pytest.mark.parametrize("recipe", [Converged(), Paper()])
def test_everything_in_a_run_is_part_of_its_key(make, recipe):
    run = neural(make, recipe)
    keys = {name: other.key for name, other in changed(run)}
    assert len(keys) > 25
    assert len({run.key, *keys.values()}) == len(keys) + 1


def test_an_absent_part_is_part_of_the_key_as_well(make):
    runs = [make.run(), make.run(sample=None), make.run(parent="p"), make.run(chosen_by="p")]
    assert len({run.key for run in runs}) == len(runs)


def test_a_run_needs_its_parent_and_the_run_that_chose_for_it(make):
    assert make.run().needs == ()
    assert neural(make).needs == ("p" * 32, "c" * 32)


def test_where_and_when_a_run_is_done_has_no_place_in_it(make):
    names = {*Run.__struct_fields__, *Sample.__struct_fields__, *NgramSettings.__struct_fields__}
    names |= {*TransformerSettings.__struct_fields__, *Numerics.__struct_fields__}
    names |= {*Result.__struct_fields__, *Loss.__struct_fields__}
    for word in ("path", "folder", "file", "host", "machine", "time", "seconds", "date", "engine"):
        assert not [name for name in names if word in name]


def test_unknown_fields_are_refused(make):
    written = canonical_json(make.run()).replace('"seed"', '"extra":1,"seed"')
    with pytest.raises(msgspec.ValidationError, match="extra"):
        msgspec.json.decode(written, type=Run)


def test_what_went_otherwise_than_asked_for_is_in_the_result_and_said(make):
    run = neural(make)
    result = make.result(run)
    assert departures(run, result) == {}
    assert '"ranks"' not in canonical_json(result), "one process leaves no trace"
    retried = {"not_finite_step": 41.0, "not_finite_learning_rate": 1e-3, "halved_from_step": 30.0}
    entries = [
        {"learning_rate": 1e-3, **retried},
        {"learning_rate": 3e-3, "diverged_step": 13.0, "diverged_learning_rate": 2e-3},
        {"learning_rate": 1e-2, "diverged_step": 2.0, "diverged_learning_rate": 1e-2},
    ]
    result = msgspec.structs.replace(
        result,
        training=Training(bytes_seen=1, search=entries, ranks=[2, 8]),
        changed_numerics=Numerics(micro_batch=4, scored_symbols=2048),
    )
    assert departures(run, result) == {
        "less memory at a time": "memory ran out: 4 instead of 16 sequences at a time, same batch",
        "less scored at a time": "memory ran out: 2,048 bytes scored at a time",
        "retried at half the rate": (
            "not finite at step 41, learning rate 0.001: half of it from step 30 on"
        ),
        "a learning rate diverged": (
            "lost to the search: learning rate 0.003 (not finite at step 13), "
            "0.01 (not finite at step 2)"
        ),
        "several processes": "steps shared by 2 then 8 processes",
    }
    assert msgspec.json.decode(canonical_json(result), type=Result) == result
