"""What a large page packs: all of it is there, and what comes first stays readable."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest

from bytetransfer.report import build_report, render_html
from bytetransfer.report.page.packing import Packing

PACKED = re.compile(r'<script type="text/plain" id="packed">([^<]*)</script>')
PLACE = re.compile(r"<p data-packed>.*?</p>")


def unpacked(page: str) -> str:
    """The page as its script makes it."""
    (text,) = PACKED.findall(page)
    inflated = zlib.decompress(base64.b64decode(text)).decode()
    parts = iter(json.loads(inflated)["parts"])
    whole = PLACE.sub(lambda _: next(parts), page)
    assert next(parts, None) is None
    data = inflated[len('{"data":') : inflated.rindex(',"parts":')]
    element = f'<script type="application/json" id="data">{data}</script>'
    return PACKED.sub(lambda _: element, whole)


@pytest.fixture(scope="module")
def report(measurements, estimates, study):
    return build_report(measurements, estimates, study)


def test_a_small_page_packs_nothing(report):
    page = render_html(report)
    assert not PLACE.search(page)
    assert not PACKED.search(page)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_nothing_is_lost_or_moved(report, share):
    plain = render_html(report)
    page = render_html(report, most_bytes=int(share * len(plain)))
    assert PLACE.search(page)
    assert unpacked(page) == plain


def test_what_is_seen_at_once_is_packed_last():
    packing = Packing()
    ranks = [1, 2, 0, 1, 2]
    marks = [packing.part(rank, lambda: "x" * 100) for rank in ranks]
    page = "".join(marks) + packing.data()
    for room, kept in ((0, []), (150, [2]), (260, [0, 2]), (360, [0, 2, 3])):
        found = packing.packed(page, "{}", plain_bytes=len(page) + room)
        here = [place for place, part in enumerate(re.findall(r"<p data-packed>|x{100}", found))
                if part.startswith("x")]  # fmt: skip
        assert here == kept
    assert packing.finished(page, "{}").count("x" * 100) == 5


def test_as_little_is_packed_as_keeps_a_page_within_its_limit():
    packing = Packing()
    page = "".join(packing.part(0, lambda: "x" * 10_000) for _ in range(10)) + packing.data()
    kept = []
    for most in (101_000, 90_000, 50_000, 11_000):
        found = packing.finished(page, "{}", most_bytes=most)
        assert len(found) <= most
        kept.append(found.count("x" * 10_000))
    assert kept[0] == 10
    assert sorted(kept, reverse=True) == kept
    assert kept[1] >= 7
