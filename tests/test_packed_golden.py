"""The packed weights that the C++ tests read are what the packers write today."""

from __future__ import annotations

from packed_golden import FOLDER, packed_files


def test_committed_files_are_what_the_packers_write() -> None:
    written = packed_files()
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(written)
    changed = [name for name, contents in written.items() if (FOLDER / name).read_bytes() != contents]
    assert not changed, "if models are to have this layout, run python -m tests.packed_golden"
