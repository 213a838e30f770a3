import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus import blocks, json_reader
from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.errors import CorpusError

TEXTS = ["first", "", 'a "quote" and a \\', "två\nlines", "四 { [ ] }", "\u2028"]


def read(folder: Path, **more: object) -> list[str]:
    source = FileSource(files=("a.jsonl",), **more)
    return [text.decode() for batch in read_source(source, folder) for text in batch]


def refused(folder: Path, **more: object) -> str:
    with pytest.raises(CorpusError) as caught:
        read(folder, **more)
    assert caught.value.todo
    return str(caught.value)


def objects(texts: list[str], **more: object) -> list[str]:
    return [json.dumps({"n": [{}, 1], "text": text, **more}) for text in texts]


LAYOUTS = {
    "lines": "\n".join,
    "blank lines": "\n\n \n".join,
    "old Mac": "\r".join,
    "on one line": " ".join,
    "glued": "".join,
    "record separators": lambda ones: "".join(f"\x1e{one}\n" for one in ones),
    "array": lambda ones: f"[{','.join(ones)}]",
    "array over lines": lambda ones: "[\n" + ",\n".join(ones) + "\n]\n",
    "arrays": lambda ones: "\n".join(f"[{one}]" for one in ones) + "\n[]",
    "pretty": lambda ones: "\n".join(json.dumps(json.loads(one), indent=2) for one in ones),
    "pretty array": lambda ones: json.dumps([json.loads(one) for one in ones], indent=1),
    "mark": lambda ones: "\ufeff" + "\n".join(ones),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("beside", [1, math.nan, -math.inf])
def test_every_layout_of_json_gives_the_same_documents(tmp_path, layout, beside):
    content = LAYOUTS[layout](objects(TEXTS, beside=beside))
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8", newline="")
    assert read(tmp_path) == TEXTS


def test_a_number_of_any_length_may_stand_beside_the_text(tmp_path):
    content = "".join(objects(TEXTS, a=math.nan, b="big")).replace('"big"', "9" * 10_000)
    (tmp_path / "a.jsonl").write_text(content)
    assert read(tmp_path) == TEXTS


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6),
    layout=st.sampled_from(sorted(LAYOUTS)),
    size=st.integers(3, 9),  # the mark at the beginning has three bytes
    longest=st.integers(1, 40),
    nan=st.booleans(),
    ascii_only=st.booleans(),
)
def test_block_borders_do_not_matter(
    tmp_path_factory, texts, layout, size, longest, nan, ascii_only
):
    folder = tmp_path_factory.mktemp("json")
    more = {"x": math.nan} if nan else {}
    ones = [json.dumps({"text": text, **more}, ensure_ascii=ascii_only) for text in texts]
    (folder / "a.jsonl").write_text(LAYOUTS[layout](ones), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks.raw_blocks, "__defaults__", (size,))
        patch.setattr(json_reader, "_LONGEST_LINE", longest)
        patch.setattr("bytetransfer.corpus.content._LEAST_NULS", 10**9)
        assert read(folder) == texts


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('{"text": null}', ("line 1", "holds no text (null)")),
        ('{"text": "a"}\n{"text": NaN}', ("line 2", "no string but a number")),
        ('{"text": {"0": "a"}}', ("no string but an object",)),
        ('{"text": "a\x00b"}', ("control character 0x00", "\\u0000")),
        ('{"text": "a\tb"}', ("control character 0x09",)),
        ('{"text": "a\nb"}', ("line 1", "does not end in its line")),
        ('{"text": "\\ud83d"}', ("half a character",)),
        ('{"text": "a"}\n\n{"text": "b"', ("line 3", "file ends before the object")),
        ('[{"text": "a"},\n{"text": "b"}', ("line 2", "file ends before its array")),
        ('[{"text": "a"} {"text": "b"}]', ("no JSON object but '{'",)),
        ('[{"text": "a"},]', ("no JSON object but ',]'",)),
        ('{"text": "a"}\n"b"\n{"text": "c"}', ("line 2", "no JSON object")),
        ('{"text": "a"}\n3\n', ("line 2", "no JSON object but '3'")),
        ('["a", "b"]', ("no JSON object",)),
        ("[[{}]]", ("no JSON object but '['",)),
        ("}", ("no JSON object but '}'",)),
        ("words, and no JSON of any kind at all\n", ("no JSON object but 'words,",)),
        ("{'text': 'a'}", ("line 1", "no JSON")),
        ('{"text": "a", "y": ' + "[" * 3000 + "]" * 3000 + "}", ("line 1", "nested too deeply")),
        ('{"text": "a", "y": ' + '{"z":' * 10**5 + "1" + "}" * 10**5 + "}", ("too deeply",)),
        ('{"id": 1}', ('no column "text"', "the columns there are: id")),
    ],
)
def test_what_is_no_document_is_said_with_its_line(tmp_path, content, parts):
    (tmp_path / "a.jsonl").write_bytes(content.encode())
    message = refused(tmp_path)
    for part in parts:
        assert part in message


def test_a_column_that_is_not_read_may_be_anything(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "y": [NaN, -Infinity, 1e999, 12]}\n')
    assert read(tmp_path) == ["a"]


def test_an_object_longer_than_stated_is_refused_wherever_it_stands(tmp_path):
    long = json.dumps({"text": "x" * 5_000_000})
    for layout in ("lines", "array", "pretty"):
        content = LAYOUTS[layout]([*objects(["a"]), long, *objects(["b"])])
        (tmp_path / "a.jsonl").write_text(content)
        assert [len(text) for text in read(tmp_path)] == [1, 5_000_000, 1]
        assert "longer than 3 MB" in refused(tmp_path, most_document_bytes=3_000_000)


def test_json_in_utf_16_is_said_to_be_that(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(objects(TEXTS)), encoding="utf-16")
    assert "UTF-16" in refused(tmp_path)


def test_a_large_array_on_one_line_is_not_held_as_a_whole(tmp_path, peak_memory):
    with gzip.open(tmp_path / "a.jsonl", "wt", compresslevel=1) as file:
        file.write("[" + ",".join(objects(["x" * 1000] * 100)))
        for _ in range(800):
            file.write("," + ",".join(objects(["x" * 1000] * 100)))
        file.write("]")
    code = f"""
from pathlib import Path
from bytetransfer.corpus.sources import FileSource, read_source
source = FileSource(files=("a.jsonl",))
print(sum(len(b) for b in read_source(source, Path({str(tmp_path)!r}))))
"""
    printed, grown = peak_memory(code)
    assert printed == "80100"
    assert grown < 30_000_000


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "one", "text": "two"}\n{"text": "three"}\n',
        '{"text": "three"}\n{"text": "one",\n "text": "two"}\n',
        '[{"text": "one", "n": 1, "text": "two"}]',
    ],
)
def test_the_column_twice_in_one_object_is_refused_and_not_guessed(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text)
    assert '"text" stands twice in one object' in refused(tmp_path)


def test_the_name_of_the_column_may_stand_in_other_objects_and_in_texts(tmp_path):
    lines = [
        '{"text": "one", "meta": {"text": "no"}}',
        r'{"text": "he said \"text\" twice: \"text\""}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert read(tmp_path) == ["one", 'he said "text" twice: "text"']


def test_an_object_of_very_many_names_is_read(tmp_path):
    other = {f"name {number}": 0 for number in range(60_000)}  # in squares of them it takes minutes
    line = json.dumps({"text": "fi", "other": {**other, "text": "in another object"}})
    (tmp_path / "a.jsonl").write_text(line + "\n")
    assert read(tmp_path) == ["fi"]
