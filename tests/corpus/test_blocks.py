import bz2
import gzip
import lzma
import zlib
from pathlib import Path

import pytest
import zstandard

from bytetransfer.corpus import blocks
from bytetransfer.corpus.blocks import open_blocks
from bytetransfer.errors import CorpusError

COMPRESS = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
NAMES = {".GZ": ".gz", ".zstd": ".zst", ".Zst": ".zst", ".BZ2": ".bz2", ".Xz": ".xz"}


def content(path: Path) -> bytes:
    return b"".join(open_blocks(path))


def refused(path: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        content(path)
    assert caught.value.todo
    return str(caught.value)


@pytest.mark.parametrize("ending", [*COMPRESS, *NAMES])
@pytest.mark.parametrize("members", [1, 3])
def test_every_method_in_any_case_and_several_members(tmp_path, ending, members):
    parts = [bytes([65 + i]) * 3_000_000 + b"\n" for i in range(members)]
    compress = COMPRESS[NAMES.get(ending, ending)]
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(b"".join(map(compress, parts)))
    found = list(open_blocks(path))
    assert b"".join(found) == b"".join(parts)
    assert max(map(len, found)) <= 3 * blocks.BLOCK_BYTES


@pytest.mark.parametrize("ending", COMPRESS)
def test_what_is_compressed_is_read_whatever_its_name_is(tmp_path, ending):
    """No text in UTF-8 begins so, and blobs of a cache have no endings at all."""
    path = tmp_path / "1f3a"
    path.write_bytes(COMPRESS[ending](b"text\n"))
    assert content(path) == b"text\n"


def test_text_that_begins_almost_so_is_text(tmp_path):
    for text in (b"BZh9 is how bzip2 begins\n", b"BZ", b"(\xc2\xb5/\xc3\xbd", b"\x1f\n"):
        (tmp_path / "a.txt").write_bytes(text)
        assert content(tmp_path / "a.txt") == text


@pytest.mark.parametrize("ending", COMPRESS)
def test_truncated_damaged_and_followed_by_something_else(tmp_path, ending):
    whole = COMPRESS[ending](bytes(i * i % 251 for i in range(100_000)))
    path = tmp_path / f"a.txt{ending}"
    for cut in (0, 1, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert f"breaks off at byte {cut:,}" in refused(path)
    path.write_bytes(whole + b"more words than a header has bytes")
    assert f"no valid {ending} data" in refused(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    damaged[len(whole) // 2 + 1] ^= 0xFF
    path.write_bytes(damaged)
    if ending != ".zst":  # whose checksum is optional
        assert f"no valid {ending} data" in refused(path)


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_name_that_says_what_is_not_so_is_refused(tmp_path, ending):
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(b"text that a browser has unpacked already\n")
    assert f"plain text: rename it so that it does not end in {ending}" in refused(path)
    other = ".gz" if ending == ".xz" else ".xz"
    path.write_bytes(COMPRESS[other](b"text"))
    assert f"ends in {other}" in refused(path)


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_padding_after_the_last_member_is_no_text(tmp_path, ending):
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(COMPRESS[ending](b"one\n") + bytes(8) + COMPRESS[ending](b"two\n") + bytes(8))
    assert content(path) == b"one\ntwo\n"


def test_frames_that_are_to_be_skipped_are_skipped(tmp_path):
    path = tmp_path / "a.txt.zst"
    skipped = b"\x50*M\x18" + (5).to_bytes(4, "little") + b"words"
    path.write_bytes(skipped + zstandard.compress(b"text\n") + skipped)
    assert content(path) == b"text\n"


def test_an_xz_file_that_asks_for_much_memory_is_refused(tmp_path):
    packed = bytearray(lzma.compress(b"text\n"))
    # the size of the dictionary stands in the properties of the only filter, then a checksum
    packed[16] = 38  # 2 GiB
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    path = tmp_path / "a.txt.xz"
    path.write_bytes(packed)
    assert "emory" in refused(path)


def frame(window: bytes, blocks_of_zeros: int) -> bytes:
    """A frame of Zstandard, each block of which repeats one byte 128 KiB long."""
    size = 1 << 17
    inner = (size << 3 | 1 << 1).to_bytes(3, "little") + b"\n"
    last = (size << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\n"
    return b"\x28\xb5\x2f\xfd\x00" + window + inner * (blocks_of_zeros - 1) + last


@pytest.mark.parametrize("window", [b"\x58", b"\xa8"], ids=["2 MiB", "2 GiB"])
def test_a_few_kilobytes_of_zstandard_do_not_fill_the_memory(tmp_path, window, peak_memory):
    path = tmp_path / "a.txt.zst"
    path.write_bytes(frame(window, 2_000))
    code = f"""
from pathlib import Path
from bytetransfer.corpus.blocks import open_blocks
from bytetransfer.errors import CorpusError
try:
    print(sum(map(len, open_blocks(Path({str(path)!r})))))
except CorpusError as error:
    print("window" in str(error))
"""
    printed, grown = peak_memory(code)
    assert printed == ("True" if window == b"\xa8" else str(2_000 << 17))
    assert grown < 250_000_000


def test_a_large_window_of_an_honest_file_is_read(tmp_path):
    path = tmp_path / "a.txt.zst"
    path.write_bytes(frame(b"\xa8", 900))
    assert len(content(path)) == 900 << 17


@pytest.mark.slow
@pytest.mark.parametrize("ending", COMPRESS)
def test_an_endless_line_takes_no_more_memory_than_is_stated(tmp_path, ending, peak_memory):
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(COMPRESS[ending](b"x" * 200_000_000))
    code = f"""
from pathlib import Path
from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.errors import CorpusError
source = FileSource(files=({str(path)!r},), most_document_bytes=10_000_000)
try:
    list(read_source(source, Path()))
except CorpusError as error:
    print("longer than 10 MB" in str(error))
"""
    printed, grown = peak_memory(code)
    assert printed == "True"
    assert grown < 120_000_000
