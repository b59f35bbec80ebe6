"""From where on each destination is owed events is written down before the first of them comes."""

from postroad.storage.announced import announce, read_announced, withdraw


def test_what_is_known_stays(tmp_path):
    """A destination keeps the offset at which it was announced first; a new one gets the log's end of its own time."""
    file = tmp_path / "destinations.json"
    assert announce(file, ["hook"], 7) == {"hook": 7}
    assert announce(file, ["hook", "lake"], 99) == {"hook": 7, "lake": 99}
    assert read_announced(file) == {"hook": 7, "lake": 99}


def test_what_was_removed_stays_announced(tmp_path):
    """A destination that is gone from the configuration is owed what comes meanwhile, until that is withdrawn."""
    file = tmp_path / "destinations.json"
    announce(file, ["hook", "lake"], 7)
    assert announce(file, ["lake"], 50) == {"hook": 7, "lake": 7}
    withdraw(file, "hook")
    withdraw(file, "hook")
    assert read_announced(file) == {"lake": 7}
    assert announce(file, ["hook", "lake"], 99) == {"hook": 99, "lake": 7}


def test_a_former_id(tmp_path):
    """One that takes another over is owed all that either is, and the former id is announced no more."""
    file = tmp_path / "destinations.json"
    announce(file, ["hook"], 7)
    assert announce(file, ["crm"], 50, {"crm": "hook"}) == {"crm": 7}
    announce(file, ["shop", "store"], 55)
    withdraw(file, "store")
    announce(file, ["store"], 58)
    assert announce(file, ["store"], 59, {"store": "shop"}) == {"crm": 7, "store": 55}
    withdraw(file, "store")
    announce(file, ["lake"], 60)
    assert announce(file, ["crm"], 70, {"crm": "lake"}) == {"crm": 7}
    assert announce(file, ["new"], 80, {"new": "nobody"}) == {"crm": 7, "new": 80}


def test_a_file_that_is_damaged_or_not_there(tmp_path):
    """Then nothing was announced, and what is configured is owed what comes from now on."""
    file = tmp_path / "destinations.json"
    assert read_announced(file) == {}
    for damage in (b"", b"\xff", b"[1]", b'{"hook": "x"}'):
        file.write_bytes(damage)
        assert read_announced(file) == {}
    assert announce(file, ["hook"], 5) == {"hook": 5}
