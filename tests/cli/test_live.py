"""The live page: served to this machine alone, under its own names, renewed when asked again."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time

import pytest

from bytetransfer.cli import live
from bytetransfer.cli.live import Edition, serving
from bytetransfer.errors import UserError


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


def other_addresses() -> set[str]:
    """Addresses of this machine that a server on 127.0.0.1 alone does not listen on.

    127.0.0.2 is one everywhere on Linux, where all of 127.0.0.0/8 leads to this machine; elsewhere
    it leads nowhere. What address others see is found without sending anything.
    """
    found = {"127.0.0.2"}
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found.add(probe.getsockname()[0])
    return found


def test_no_other_machine_can_connect():
    with serving(lambda: Edition("", "")) as address:
        _, port = where(address)
        for place in other_addresses():
            with pytest.raises(OSError, match=r"refused|unreachable|timed out|assign"):
                socket.create_connection((place, port), timeout=5)
    with socket.create_server(("", 0)) as everywhere:  # which would have been noticed
        port = everywhere.getsockname()[1]
        socket.create_connection((max(other_addresses()), port), timeout=5).close()


def test_a_port_in_use_is_a_clear_error():
    with serving(lambda: Edition("", "")) as address:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        with pytest.raises(UserError, match="--port"), serving(lambda: Edition("", ""), port=port):
            pytest.fail("two servers on one port")


def where(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    return host, int(port)


def test_a_client_that_resets_its_connection_is_nobodys_concern(capfd):
    with serving(lambda: Edition("", "x" * 30_000_000)) as address:
        for wanted in (b"", b"GET / HT", b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"):
            for _ in range(5):
                client = socket.create_connection(where(address), timeout=5)
                client.sendall(wanted)
                if len(wanted) > 9:
                    client.recv(10)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
        assert get(address)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_bug_in_the_page_keeps_its_traceback(capfd):
    def current() -> Edition:
        raise ZeroDivisionError

    with serving(current) as address, pytest.raises(http.client.RemoteDisconnected):
        get(address)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_client_that_says_nothing_or_takes_nothing_loses_its_connection(monkeypatch, capfd):
    monkeypatch.setattr(live, "_PATIENCE_SECONDS", 0.2)
    before = threading.active_count()
    with serving(lambda: Edition("", "x" * 30_000_000)) as address:
        silent, greedy = (socket.create_connection(where(address), timeout=5) for _ in range(2))
        greedy.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert silent.recv(1) == b""
        end = time.monotonic() + 10
        while threading.active_count() > before + 1:
            assert time.monotonic() < end, "a thread still waits for its client"
            time.sleep(0.02)
        silent.close()
        greedy.close()
    assert capfd.readouterr() == ("", "")


def test_however_many_clients_wait_the_page_is_still_served():
    before = threading.active_count()
    with serving(lambda: Edition("", "page")) as address:
        waiting = [socket.create_connection(where(address), timeout=5) for _ in range(100)]
        assert get(address) == (200, "page")
        assert waiting[0].recv(1) == b""  # the oldest make room
        assert threading.active_count() <= before + live._MOST_CONNECTIONS + 10
        for client in waiting:
            client.close()
