"""What every command sets for its process."""

import gc
import os

from bytetransfer.cli.shared import settle


def test_one_thread_multiplies_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setattr(gc, "set_threshold", lambda _: None)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    settle()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    settle()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "4"
