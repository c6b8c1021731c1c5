

@pytest.mark.parametrize("cell", ["x" * 300 + ".wav", "a/" * 3000 + "a.wav"])
def test_a_name_that_no_file_system_takes_is_no_file(cell: str, tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text(f"path\n{cell}\n")
    with pytest.raises(DatasetError, match="line 2: no such file"):
        Manifest(str(tmp_path / "set.csv")).tracks()
