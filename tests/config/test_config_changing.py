"""What a running server can take over of another configuration, and what it names because it can't."""

import pytest

from postroad import registry
from postroad.config.changing import Change, compare
from postroad.config.loading import load_file
from postroad.errors import ConfigError

OLD = """
[server]
bind = "127.0.0.1:1"
[regions.us]
retention = "3d"
[sources.app]
write_key = "key-of-the-app"
[destinations.crm]
type = "webhook"
url = "https://crm.example"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[destinations.lake]
type = "file"
"""


@pytest.fixture
def read(tmp_path):
    """Return what reads a text as a configuration."""
    path = tmp_path / "postroad.toml"

    def load(text):
        path.write_text(text)
        return load_file(path, {"POSTROAD_SERVER__DATA_DIR": str(tmp_path)}, registry.settings_type)

    return load


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("", "", Change([], [], [])),
        ("key-of-the-app", "another-key-of-it", Change([], [], ["sources.app"])),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 32, Change([], [], ["destinations.crm"])),
        ("destinations.lake", "destinations.pond", Change(["destinations.pond"], ["destinations.lake"], [])),
        ("[sources.app]", "[sources.web]", Change(["sources.web"], ["sources.app"], [])),
    ],
)
def test_sources_and_destinations_come_go_and_change(read, before, after, change):
    """Each of them is named with its table; a secret counts without being told."""
    assert compare(read(OLD), read(OLD.replace(before, after))) == change


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("127.0.0.1:1", "127.0.0.1:2", "postroad.toml:3: server.bind: can't change while"),
        ("3d", "4d", "postroad.toml:5: regions.us.retention: can't change while"),
        ("[regions.us]", "[regions.eu]\n[regions.us]", "postroad.toml:4: regions.eu: can't change while"),
    ],
)
def test_what_needs_a_restart_is_named(read, before, after, named):
    """The server and its regions stay as they are; what is another is named with its line, and nothing is taken."""
    old = read(OLD)
    with pytest.raises(ConfigError) as caught:
        compare(old, read(OLD.replace(before, after).replace("key-of-the-app", "another-key-of-it")))
    assert [named in sentence for sentence in caught.value.problems] == [True]
