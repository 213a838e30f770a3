"""The live page: served to this machine alone, under its own names, renewed when asked again."""

from __future__ import annotations

import http.client
import socket

import pytest

from bytetransfer.errors import UserError
from bytetransfer.live import Edition, serving


def get(address: str, path: str = "/", host: str | None = None) -> tuple[int, str]:
    name = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(name, timeout=10)
    connection.request("GET", path, headers={"Host": host or name})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_the_page_and_its_version_follow_the_study():
    editions = [Edition("1 of 2", "<p>one")]
    with serving(lambda: editions[0]) as address:
        assert address.startswith("http://127.0.0.1:")
        assert get(address) == (200, "<p>one")
        assert get(address, "/version") == (200, "1 of 2")
        editions[0] = Edition("2 of 2", "<p>two ≥")
        assert get(address) == (200, "<p>two ≥")
        assert get(address, "/version") == (200, "2 of 2")
        assert get(address, "/../pyproject.toml")[0] == 404


def test_another_name_that_points_here_is_refused():
    with serving(lambda: Edition("", "secret")) as address:
        port = address.rstrip("/").rsplit(":", 1)[1]
        status, text = get(address, host=f"evil.example:{port}")
        assert status == 403
        assert "secret" not in text
        assert get(address, host=f"localhost:{port}") == (200, "secret")


def test_no_other_machine_can_connect():
    with serving(lambda: Edition("", "")) as address:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        outside = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port)}
        for place in outside - {"127.0.0.1", "127.0.1.1", "::1"}:
            with pytest.raises(OSError, match=r"refused|unreachable"):
                socket.create_connection((place, port), timeout=5)


def test_a_port_in_use_is_a_clear_error():
    with serving(lambda: Edition("", "")) as address:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        with pytest.raises(UserError, match="--port"), serving(lambda: Edition("", ""), port=port):
            pytest.fail("two servers on one port")
