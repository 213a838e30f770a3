"""The rule that picks numerics."""

from types import SimpleNamespace

import pytest

from bytetransfer.errors import StudyError
from bytetransfer.learners.transformer import numerics
from bytetransfer.learners.transformer.settings import preset

torch = pytest.importorskip("torch")

NANO = preset("nano")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine whose parts can be chosen."""
    made = SimpleNamespace(bf16=True, compiler=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(numerics, "_multiplies_bf16", lambda *_: made.bf16)
    monkeypatch.setattr(numerics, "has_compiler", lambda: made.compiler)
    return made


def test_a_cpu_without_bf16_computes_in_fp32(machine: SimpleNamespace) -> None:
    assert numerics.resolve_numerics(NANO, threads=1).precision == "bf16"
    machine.bf16 = False
    assert numerics.resolve_numerics(NANO, threads=1).precision == "fp32"


def test_only_long_runs_are_compiled_and_only_with_a_compiler(machine: SimpleNamespace) -> None:
    assert not numerics.resolve_numerics(NANO, threads=1).compiled
    assert not numerics.resolve_numerics(NANO, threads=1, expected_bytes=10**6).compiled
    assert numerics.resolve_numerics(NANO, threads=1, expected_bytes=10**9).compiled
    machine.compiler = False
    assert not numerics.resolve_numerics(NANO, threads=1, expected_bytes=10**9).compiled


def test_the_attention_kernel_follows_the_context(machine: SimpleNamespace) -> None:
    assert numerics.resolve_numerics(NANO, threads=1).attention == "matmul"
    assert numerics.resolve_numerics(preset("paper"), threads=1).attention == "sdpa"


def test_cuda_that_is_not_there_is_refused(machine: SimpleNamespace) -> None:
    with pytest.raises(StudyError, match="no CUDA device"):
        numerics.resolve_numerics(NANO, threads=1, device="cuda")
