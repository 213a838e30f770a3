"""The rule that picks numerics."""

import shutil
import sys
from types import SimpleNamespace

import pytest

from bytetransfer.errors import StudyError
from bytetransfer.learners.transformer import numerics
from bytetransfer.learners.transformer.settings import flops_per_byte, preset

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


def test_only_much_work_is_compiled_and_only_with_a_compiler(machine: SimpleNamespace) -> None:
    assert not numerics.resolve_numerics(NANO, threads=1).compiled
    just = int(numerics.COMPILE_FLOPS_CPU / flops_per_byte(NANO.shape))
    for planned, pays in ((0, False), (just - 1, False), (just + 1, True)):
        assert numerics.resolve_numerics(NANO, threads=1, planned_bytes=planned).compiled is pays
    machine.compiler = False
    assert not numerics.resolve_numerics(NANO, threads=1, planned_bytes=10**9).compiled
    with pytest.raises(StudyError, match=r"no C\+\+ compiler"):
        numerics.resolve_numerics(NANO, threads=1, compile="always")


def test_what_slows_training_is_told(machine: SimpleNamespace) -> None:
    def told(**options: str) -> str:
        auto = {"device": "auto", "precision": "auto", "compile": "auto"}
        return " ".join(numerics.slower_without(**(auto | options)))

    assert told() == ""
    machine.bf16 = machine.compiler = False
    assert "float32" in told()
    assert "uncompiled" in told()
    assert told(precision="fp32", compile="never") == "", "as asked for is no surprise"


def test_a_machine_with_nothing_computes_eagerly_in_float32(machine: SimpleNamespace) -> None:
    machine.bf16 = machine.compiler = False
    used = numerics.resolve_numerics(NANO, threads=1, planned_bytes=10**12)
    assert (used.device, used.precision, used.compiled) == ("cpu", "fp32", False)


def test_the_attention_kernel_follows_the_context(machine: SimpleNamespace) -> None:
    assert numerics.resolve_numerics(NANO, threads=1).attention == "matmul"
    assert numerics.resolve_numerics(preset("paper"), threads=1).attention == "sdpa"


def test_cuda_that_is_not_there_is_refused(machine: SimpleNamespace) -> None:
    with pytest.raises(StudyError, match="no CUDA device"):
        numerics.resolve_numerics(NANO, threads=1, device="cuda")


def test_a_cpu_takes_as_much_text_at_a_time_as_its_caches_hold(machine: SimpleNamespace) -> None:
    for name in ("nano", "small", "medium", "paper"):
        settings = preset(name)
        used = numerics.resolve_numerics(settings, threads=1).micro_batch
        text = used * settings.shape.context
        assert settings.batch % used == 0
        assert text <= numerics.MICRO_BATCH_CPU
        assert used == settings.batch or 2 * text > numerics.MICRO_BATCH_CPU


def test_the_compiler_is_the_one_that_torch_would_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "g++" else None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("CXX", raising=False)
    assert numerics.has_compiler()
    monkeypatch.setenv("CXX", "missing")
    assert not numerics.has_compiler()
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not numerics.has_compiler(), "clang++ there"
