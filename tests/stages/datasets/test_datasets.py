"""Inputs are found, named and checked before anything is read."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechclean.stages.datasets import DatasetError, aliases
from speechclean.stages.datasets.folder import Folder
from speechclean.stages.datasets.manifest import Manifest, Pilot


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_aliases_are_relative_paths(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "seed_42_run1/text_batched_generated.wav",
        "a/b/c.FLAC",
        "a/音声.mp3",
        "a/notes.txt",
    )
    tracks = Folder(str(tmp_path / "**" / "*")).tracks()
    assert [track.alias for track in tracks] == [
        "a__b__c",
        "a__音声",
        "seed_42_run1__text_batched_generated",
    ]
    assert [track.alias for track in Folder(str(tmp_path)).tracks()] == [
        track.alias for track in tracks
    ]


def test_wildcards_in_the_middle_keep_what_tells_files_apart(tmp_path: Path) -> None:
    touch(tmp_path, "en/run1/x.wav", "de/run1/x.wav")
    tracks = Folder(str(tmp_path / "*" / "run1" / "x.wav")).tracks()
    assert [track.alias for track in tracks] == ["de__run1__x", "en__run1__x"]


def test_one_file_and_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "tts/x.wav")
    monkeypatch.chdir(tmp_path)
    assert [track.alias for track in Folder("tts/x.wav").tracks()] == ["x"]
    assert [track.alias for track in Folder("*/x.wav").tracks()] == ["tts__x"]


def test_colliding_names_stay_apart_whatever_else_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.wav", "a__b.wav", "a/b.flac", "c.wav")
    found = {
        track.path.relative_to(tmp_path).as_posix(): track.alias
        for track in Folder(str(tmp_path)).tracks()
    }
    assert len(set(found.values())) == 4
    assert found["c.wav"] == "c"
    touch(tmp_path, "d.wav")
    again = {
        track.path.relative_to(tmp_path).as_posix(): track.alias
        for track in Folder(str(tmp_path)).tracks()
    }
    assert found.items() <= again.items()


@given(st.text(max_size=400))
def test_any_name_becomes_a_safe_one(name: str) -> None:
    safe = aliases.safe(name)
    assert safe
    assert not set(safe) & set('/\\\0\n:*?"<>| ')
    assert not safe.startswith((".", "-"))
    assert len(safe.encode()) <= aliases.MAX_BYTES
    assert aliases.safe(safe) == safe


@given(st.lists(st.sampled_from(["x", "X", "y", "é"]), max_size=8))
def test_unique_names_are_unique_even_where_case_does_not_count(names: list[str]) -> None:
    unique = aliases.unique(names, [str(index) for index in range(len(names))])
    assert len({name.casefold() for name in unique}) == len(names)


def test_long_names_differ_by_a_hash() -> None:
    one, other = (aliases.from_relative(PurePath("x" * 300 + end + ".wav")) for end in "ab")
    assert one != other
    assert len(one) <= aliases.MAX_BYTES


def test_empty_patterns_say_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="matches no sound file"):
        Folder(str(tmp_path / "*.wav")).tracks()
    with pytest.raises(ValueError, match="pattern is empty"):
        Folder(" ")


@pytest.mark.parametrize("separator", [",", "\t"])
def test_manifest(tmp_path: Path, separator: str) -> None:
    touch(tmp_path, "in/a.wav", "in/b.wav", "ref/a.wav")
    quoted = '"one, two\nthree"'
    lines = [
        ["path", "reference", "transcript", "alias", "speaker"],
        ["in/a.wav", "ref/a.wav", quoted, "../first one", "7"],
        ["in/b.wav", "", "", "", "8"],
    ]
    (tmp_path / "set.csv").write_text(
        "\n".join(separator.join(line) for line in lines) + "\n", encoding="utf-8-sig"
    )
    one, two = Manifest(str(tmp_path / "set.csv")).tracks()
    assert (one.alias, one.path, one.reference_path) == (
        "first_one",
        tmp_path / "in/a.wav",
        tmp_path / "ref/a.wav",
    )
    assert one.transcript == "one, two\nthree"
    assert (two.alias, two.reference_path, two.transcript) == ("b", None, None)


def test_languages_of_a_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    table = tmp_path / "set.csv"
    rows = {"en": "en", " DE ": "de", "en-GB": "en", "pt_BR": "pt", "yue": "yue", "": None}
    table.write_text("path,language\n" + "".join(f"a.wav,{cell}\n" for cell in rows))
    assert [track.language for track in Manifest(str(table)).tracks()] == list(rows.values())
    table.write_text("path\na.wav\n")
    assert Manifest(str(table)).tracks()[0].language is None
    table.write_text("path,language\na.wav,English\n")
    with pytest.raises(DatasetError, match=r"line 2: language 'English': write its code"):
        Manifest(str(table)).tracks()
    table.write_text("path,langage\na.wav,en\n")
    with pytest.raises(DatasetError, match="did you mean 'language'"):
        Manifest(str(table)).tracks()


def test_everything_wrong_with_a_manifest_is_said_at_once(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text("path,reference\nnone.wav,\n,\nset.csv,gone.wav\nset.csv,set.csv,extra\n")
    with pytest.raises(DatasetError) as raised:
        Manifest(str(table)).tracks()
    text = str(raised.value)
    for expected in (
        "line 2: no such file",
        "none.wav",
        "line 3: no path",
        "line 4",
        "gone.wav",
        "line 5: more cells",
    ):
        assert expected in text
    for content, message in (
        ("file,transcript\nx,y\n", "no column 'path'"),
        ("path,refrence\nx,y\n", "did you mean 'reference'"),
        ("path\n", "no rows"),
        ("", "no column 'path'"),
    ):
        table.write_text(content)
        with pytest.raises(DatasetError, match=message):
            Manifest(str(table)).tracks()
    table.write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(DatasetError, match="UTF-8"):
        Manifest(str(table)).tracks()
    with pytest.raises(DatasetError, match="no such file"):
        Manifest(str(tmp_path / "gone.csv")).tracks()


@pytest.mark.parametrize("gap", [",", "\t"])
def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path: Path, gap: str) -> None:
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    table = tmp_path / "set.csv"
    cells = [("path", "transcript"), ("a.wav", '"Well\nthen"'), ("", ""), ("b.wav", '"bye')]
    table.write_text("".join(f"{gap.join(row)}\n" if row[0] else "\n" for row in cells) + "c.wav\n")
    with pytest.raises(
        DatasetError, match=r"line 5: a cell begins with a quote that is never clos"
    ):
        Manifest(str(table)).tracks()
    table.write_text(table.read_text().replace('"bye', f'"bye"{gap}'))
    with pytest.raises(DatasetError, match="line 5: more cells"):
        Manifest(str(table)).tracks()
    table.write_text(table.read_text().replace(f'"bye"{gap}', '"bye"'))
    assert [track.transcript for track in Manifest(str(table)).tracks()] == [
        "Well\nthen",
        "bye",
        None,
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'path,transcript\na.wav,x\na.wav,"' + b"y" * 200_000,
            "line 3: a cell of more than 131,072",
        ),
        (
            b'path,transcript\na.wav,"so" it is\n',
            "line 2: text stands right behind a closing quote",
        ),
        (
            b"path,transcript,Path \na.wav,x,b.wav\n",
            "line 1: more than one column is called 'path'",
        ),
        (b"path;transcript\na.wav;x\n", "separated by semicolons; save it with commas or tabs"),
        ("path,transcript\na.wav,x\n".encode("utf-16"), "UTF-16"),
        ("path,transcript\na.wav,x\n".encode("utf-16-le"), "UTF-16"),
        ("path,transcript\na.wav,x\na.wav,caf\xe9\n".encode("latin-1"), "line 3: not .* UTF-8"),
        (b"path\n~nobody-of-this-name/a.wav\n", "line 2: no such file: .*~nobody-of-this-name"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    touch(tmp_path, "a.wav")
    (tmp_path / "set.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=said):
        Manifest(str(tmp_path / "set.csv")).tracks()


def test_a_name_with_a_tilde_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "~draft.wav")
    (tmp_path / "set.csv").write_text("path\n~draft.wav\n")
    monkeypatch.chdir(tmp_path)
    assert Folder("~draft.wav").tracks()[0].path == Path("~draft.wav")
    assert Manifest("set.csv").tracks()[0].path == Path("~draft.wav")


def test_a_folder_says_what_it_passes_by(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.wav", "b.mid", "c.MID", "sub/d.au", "README")
    assert [track.alias for track in Folder(str(tmp_path)).tracks()] == ["a"]
    assert "passed by: 2 .mid, 1 .au, 1 without an extension" in caplog.text
    caplog.clear()
    assert len(Folder(f"{tmp_path}/*.wav").tracks()) == 1
    assert not caplog.text, "nobody asked for others"
    with pytest.raises(DatasetError, match=r"but others: 1 \.au"):
        Folder(str(tmp_path / "sub")).tracks()


def test_crafted_names_share_no_alias() -> None:
    """What a collision is called can be the name of a third file."""
    once = aliases.unique(["x", "X"], ["1", "2"])
    crafted = ["x", "x", "x~2", once[0], once[0], f"{once[0]}~2", "x"]
    made = aliases.unique(crafted, ["1", "1", "3", "4", "5", "6", "1"])
    assert len({name.casefold() for name in made}) == len(crafted)
    assert aliases.place(PurePath("x.wav/b.wav")) == "x.wav_/b", "x.flac becomes x.wav"
    raw = ["caf\udce9", "caf\udce9"]
    assert len(set(aliases.unique(raw, raw))) == 2, "bytes that are no Unicode"


@pytest.mark.parametrize("name", ["take [1].wav", "was?.wav", "a*b.wav", "100%.wav", "x=1, y.wav"])
def test_a_file_is_found_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, "take 1.wav", "wasn.wav", "aab.wav")
    assert [each.path.name for each in Folder(str(tmp_path / name)).tracks()] == [name]


def test_the_pilot_is_there() -> None:
    tracks = Pilot().tracks()
    assert len(tracks) == 6
    assert all(track.reference is not None and track.transcript for track in tracks)


def test_shards_are_stable_and_never_overlap(tmp_path: Path) -> None:
    names = [f"run{number % 3}/file {number}.wav" for number in range(40)] + [
        "é.wav",
        "e\u0301.flac",
    ]
    touch(tmp_path / "one", *names)
    whole = {track.alias for track in Folder(str(tmp_path / "one")).tracks()}
    shards = [
        {track.alias for track in Folder(str(tmp_path / "one"), f"{number}/3").tracks()}
        for number in range(3)
    ]
    assert set().union(*shards) == whole
    assert sum(map(len, shards)) == len(whole)
    assert min(map(len, shards)) > 5
    touch(tmp_path / "one", "later.wav")
    touch(tmp_path / "two/elsewhere", *names)
    for number, shard in enumerate(shards):
        grown = {track.alias for track in Folder(str(tmp_path / "one"), f"{number}/3").tracks()}
        assert grown - {"later"} == shard, "files that come later move no others"
        moved = {
            track.alias for track in Folder(str(tmp_path / "two/elsewhere"), f"{number}/3").tracks()
        }
        assert moved == shard, "wherever the folder is"


def test_shards_of_a_table_and_what_is_none(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.wav" for number in range(10)))
    (tmp_path / "set.csv").write_text("path\n" + "".join(f"{number}.wav\n" for number in range(10)))
    table = str(tmp_path / "set.csv")
    parts = [Manifest(table, f"{number}/2").tracks() for number in (0, 1)]
    assert sorted(track.alias for part in parts for track in part) == [
        str(number) for number in range(10)
    ]
    for wrong in ("2/2", "-1/2", "1", "a/b"):
        with pytest.raises(ValueError, match="shard"):
            Folder(str(tmp_path), wrong)
    with pytest.raises(DatasetError, match="fewer shards"):
        Folder(str(tmp_path / "0.wav"), "0/1000").tracks()


@given(st.text(max_size=300))
def test_any_path_has_a_safe_place(path: str) -> None:
    place = PurePath(aliases.place(PurePath(path)))
    assert not place.is_absolute()
    assert ".." not in place.parts
    assert all(aliases.safe(part) == part for part in place.parts)


def test_a_folder_that_links_reach_in_many_ways_is_listed_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/x.wav", "c/y.wav")
    (tmp_path / "a/b/back").symlink_to(tmp_path / "a")
    (tmp_path / "beside").symlink_to(tmp_path / "a/b")
    (tmp_path / "a/c").symlink_to(tmp_path / "c")
    (tmp_path / "c/a").symlink_to(tmp_path / "a")
    for pattern in (str(tmp_path / "**" / "*.wav"), str(tmp_path)):
        assert [track.alias for track in Folder(pattern).tracks()] == ["a__b__x", "c__y"]


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/x.wav", "in/y.wav")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    aliases_found = [track.alias for track in Folder(str(tmp_path / "in")).tracks()]
    assert aliases_found == ["link__x", "y"]


def test_a_folder_in_a_table_is_its_rows_own_failure(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    (tmp_path / "b.wav").mkdir()
    (tmp_path / "set.csv").write_text("path\na.wav\nb.wav\n")
    assert [track.alias for track in Manifest(str(tmp_path / "set.csv")).tracks()] == ["a", "b"]


@pytest.mark.parametrize("cell", ["x" * 300 + ".wav", "a/" * 3000 + "a.wav"])
def test_a_name_that_no_file_system_takes_is_no_file(cell: str, tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text(f"path\n{cell}\n")
    with pytest.raises(DatasetError, match="line 2: no such file"):
        Manifest(str(tmp_path / "set.csv")).tracks()
