import dataclasses
import json
import math
import string
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.identity import DIGEST_CHARACTERS, canonical_json, digest, plain
from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import (
    Converged,
    Optimiser,
    Paper,
    Shape,
    TransformerSettings,
)
from bytetransfer.planning.run import RUN_FORMAT, Run, Sample

GOLDEN = Path(__file__).parent / "golden" / "run_keys.json"

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain_values)
def test_canonical_json_is_json_of_the_value_in_one_ascii_line(value):
    written = canonical_json(value)
    assert json.loads(written) == value
    assert written.isascii()
    assert "\n" not in written


@given(st.dictionaries(st.text(), plain_values), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value, order):
    keys = list(value)
    order.shuffle(keys)
    assert digest({key: value[key] for key in keys}) == digest(value)


@given(plain_values, plain_values)
def test_two_values_have_one_digest_only_if_written_alike(left, right):
    assert (digest(left) == digest(right)) == (canonical_json(left) == canonical_json(right))


def test_a_digest_is_128_bits_in_hexadecimal():
    assert len(digest({})) == DIGEST_CHARACTERS == 32
    assert set(digest({})) <= set(string.hexdigits.lower())


class Holder(msgspec.Struct):
    held: object


@dataclasses.dataclass
class Data:
    held: object


@pytest.mark.parametrize(
    "value",
    [{1, 2}, frozenset("a"), b"bytes", bytearray(b"b"), memoryview(b"m"), Path("x"), math.nan,
     math.inf, -math.inf, {1: "a"}, object(), int, 1j, np.int64(1), np.zeros(2), range],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize(
    "wrap",
    [lambda v: v, lambda v: [v], lambda v: {"a": (v,)}, Holder, lambda v: [Data(v)]],
    ids=["bare", "list", "nested", "struct", "dataclass"],
)
def test_what_has_no_stable_form_is_refused_however_deep(value, wrap):
    with pytest.raises(TypeError, match="no stable written form"):
        digest(wrap(value))


class Tagged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="odd"):
    parts: tuple[int, ...] = (1, 2)


def test_structs_are_written_as_msgspec_writes_them():
    for value in (
        Tagged(),
        NgramSettings(),
        Converged(),
        Sample(corpus="", nominal_bytes=1, end="near", content_of=None),
    ):
        assert plain(value) == msgspec.json.decode(msgspec.json.encode(value))
    assert plain(Tagged()) == {"kind": "odd", "parts": [1, 2]}


# ── golden keys ───────────────────────────────────────────────────────────────────────────────

CORPUS, PARENT, CHOSEN = ("0" * 31 + digit for digit in "123")


def golden_runs() -> dict[str, Run]:
    """Runs with every field written out, so that no changed default hides in them."""
    converged = Converged(
        learning_rates=(1e-3, 3e-3),
        max_bytes=60_000_000,
        warmup_steps=20,
        patience=5,
        evaluate_bytes=32_768,
        evaluate_growth=0.1,
        validation_bytes=40_000,
        cooldown=0.3,
        cooldown_evaluations=5,
    )
    paper = Paper(
        epochs=10,
        learning_rate=2e-4,
        final_learning_rate=2e-5,
        fine_tuning_rate=2e-5,
        warmup=0.01,
        validation_bytes=40_000,
    )
    ngram = NgramSettings(
        order=7,
        discount_prior=30.0,
        source_classes=(1, 4, 64),
        target_classes=(1, 8),
        first_weight=0.15,
        weight_prior_bytes=5.0,
        search_steps=16,
        search_stop=2e-4,
    )
    common = {"seed": 3, "held_out": CORPUS, "format": RUN_FORMAT}
    sample = Sample(corpus=CORPUS, nominal_bytes=10_000, end="near", content_of=None)
    return {
        "ngram": Run(kind="scratch", settings=ngram, sample=sample, **common),
        "converged": Run(
            kind="finetune",
            settings=neural(converged),
            sample=sample,
            parent=PARENT,
            chosen_by=CHOSEN,
            numerics=numerics(),
            **common,
        ),
        "paper": Run(
            kind="pretrain",
            settings=neural(paper),
            sample=msgspec.structs.replace(sample, end="far"),
            numerics=numerics(),
            **common,
        ),
        "retried": Run(
            kind="pretrain",
            settings=msgspec.structs.replace(neural(paper), retry_not_finite=True),
            sample=msgspec.structs.replace(sample, end="far"),
            numerics=numerics(),
            **common,
        ),
    }


def neural(recipe: Converged | Paper) -> TransformerSettings:
    return TransformerSettings(
        shape=Shape(layers=2, width=64, heads=2, feed_forward=192, context=128),
        recipe=recipe,
        optimiser=Optimiser(beta1=0.9, beta2=0.95, epsilon=1e-8, weight_decay=0.1, clip=1.0),
        batch=16,
        windows_cross_documents=True,
        noise=0.05,
    )


def numerics() -> Numerics:
    return Numerics(
        device="cpu",
        precision="fp32",
        attention="matmul",
        compiled=False,
        threads=1,
        micro_batch=16,
        scored_symbols=msgspec.UNSET,
    )


LEGITIMATE = """
The key of a run has changed: every result on every disk is orphaned and would be done again.
That is right only if the same request now gives another result. Then raise RUN_FORMAT in run.py
and append the new keys to tests/golden/run_keys.json under the new format; never edit or delete
the keys of a format that is there. A new field of a settings class changes keys too: write it out
in golden_runs() and do the same.
"""


@pytest.mark.parametrize("name", ["ngram", "converged", "paper", "retried"])
def test_keys_of_runs_do_not_change_by_accident(name):
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert known[str(RUN_FORMAT)][name] == golden_runs()[name].key, LEGITIMATE


def test_golden_runs_leave_no_field_to_a_default():
    def fields(value: object) -> list[msgspec.Struct]:
        if not isinstance(value, msgspec.Struct):
            return []
        inner = [getattr(value, name) for name in value.__struct_fields__]
        return [value, *(found for item in inner for found in fields(item))]

    source = Path(__file__).read_text(encoding="utf-8")
    for run in golden_runs().values():
        for struct in fields(run):
            for name in struct.__struct_fields__:
                assert f"{name}=" in source or f'"{name}":' in source, (type(struct), name)
