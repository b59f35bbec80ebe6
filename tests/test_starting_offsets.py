"""From where on each destination is owed events is written down before the first of them comes."""

from postroad.storage.starting_offsets import drop_starting_offset, read_starting_offsets, write_starting_offsets


def test_what_is_known_stays(tmp_path):
    """A destination keeps its first offset; a new one gets the log's end of its own time."""
    file = tmp_path / "destinations.json"
    assert write_starting_offsets(file, ["hook"], 7) == {"hook": 7}
    assert write_starting_offsets(file, ["hook", "lake"], 99) == {"hook": 7, "lake": 99}
    assert read_starting_offsets(file) == {"hook": 7, "lake": 99}


def test_what_was_removed_keeps_its_starting_offset(tmp_path):
    """A destination that is gone from the configuration is owed what comes meanwhile, until its starting offset is
    dropped.
    """
    file = tmp_path / "destinations.json"
    write_starting_offsets(file, ["hook", "lake"], 7)
    assert write_starting_offsets(file, ["lake"], 50) == {"hook": 7, "lake": 7}
    drop_starting_offset(file, "hook")
    drop_starting_offset(file, "hook")
    assert read_starting_offsets(file) == {"lake": 7}
    assert write_starting_offsets(file, ["hook", "lake"], 99) == {"hook": 99, "lake": 7}


def test_a_former_id(tmp_path):
    """One that takes another over is owed all that either is, and the former id has none any more."""
    file = tmp_path / "destinations.json"
    write_starting_offsets(file, ["hook"], 7)
    assert write_starting_offsets(file, ["crm"], 50, {"crm": "hook"}) == {"crm": 7}
    write_starting_offsets(file, ["shop", "store"], 55)
    drop_starting_offset(file, "store")
    write_starting_offsets(file, ["store"], 58)
    assert write_starting_offsets(file, ["store"], 59, {"store": "shop"}) == {"crm": 7, "store": 55}
    drop_starting_offset(file, "store")
    write_starting_offsets(file, ["lake"], 60)
    assert write_starting_offsets(file, ["crm"], 70, {"crm": "lake"}) == {"crm": 7}
    assert write_starting_offsets(file, ["new"], 80, {"new": "nobody"}) == {"crm": 7, "new": 80}


def test_a_file_that_is_damaged_or_not_there(tmp_path):
    """Then there are no starting offsets, and what is configured is owed what comes from now on."""
    file = tmp_path / "destinations.json"
    assert read_starting_offsets(file) == {}
    for damage in (b"", b"\xff", b"[1]", b'{"hook": "x"}'):
        file.write_bytes(damage)
        assert read_starting_offsets(file) == {}
    assert write_starting_offsets(file, ["hook"], 5) == {"hook": 5}
