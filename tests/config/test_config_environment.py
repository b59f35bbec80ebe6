"""Every setting can be overridden by an environment variable whose name follows from its path."""

import tomllib

import pytest

from postroad import registry
from postroad.config import key_hash
from postroad.config.environment import variable_of
from postroad.config.loading import load_document
from postroad.errors import ConfigError

FILE = """
[regions.us]
[sources.app]
write_key = "dev-write-key"
[destinations."My CRM"]
type = "webhook"
url = "https://crm.example.com"
port = 80
headers = { X-Token = "a" }
"""


def loaded(environ, text=FILE, types=None):
    """Load a text with an environment."""
    return load_document(tomllib.loads(text), environ, types)


def problems(environ, text=FILE):
    """What is wrong with a text and an environment."""
    with pytest.raises(ConfigError) as caught:
        loaded(environ, text)
    return caught.value.problems


def test_declared_settings():
    """Texts, durations, numbers, booleans, lists and choices are all written as plain text."""
    config = loaded(
        {
            "POSTROAD__SERVER__BIND": "0.0.0.0:80",
            "POSTROAD__SERVER__STRICT": "always",
            "POSTROAD__SERVER__TLS__CERT": "/c",
            "POSTROAD__SERVER__TLS__KEY": "/k",
            "POSTROAD__REGIONS__US__RETENTION": "2d",
            "POSTROAD__REGIONS__US__DEDUP_MAX_IDS": "1000",
            "POSTROAD__REGIONS__US__HOSTS": '["a.example.com", "b.example.com"]',
            "POSTROAD__DESTINATIONS__MY_CRM__ENABLED": "false",
            "POSTROAD__DESTINATIONS__MY_CRM__FROM": "beginning",
            "POSTROAD__DESTINATIONS__MY_CRM__RETRY__FACTOR": "2",
        }
    )
    assert str(config.server.bind) == "0.0.0.0:80"
    assert config.server.strict == "always"
    assert config.server.tls is not None
    assert (str(config.server.tls.cert), str(config.server.tls.key)) == ("/c", "/k")
    region, crm = config.regions["us"], config.destinations["My CRM"]
    assert (region.retention, region.dedup_max_ids) == (172800.0, 1000)
    assert region.hosts == ("a.example.com", "b.example.com")
    assert (crm.enabled, crm.start_from, crm.retry.factor) == (False, "beginning", 2.0)


def test_key_rotation():
    """A list of write keys fits into a variable too, though it is a setting of a source's type."""

    def hashes(environ):
        text = '[sources.app]\nwrite_key = "dev-write-key"\n'
        return loaded(environ, text, registry.settings_type).sources["app"].key_hashes

    assert hashes({"POSTROAD__SOURCES__APP__WRITE_KEY": '["new-key", "old-key"]'}) == {
        key_hash("new-key"),
        key_hash("old-key"),
    }
    assert hashes({"POSTROAD__SOURCES__APP__WRITE_KEY_SHA256": "ab" * 32}) == {key_hash("dev-write-key"), "ab" * 32}
    with pytest.raises(ConfigError, match=r"^POSTROAD__SOURCES__APP__WRITE_KYE: .*; did you mean `write_key`\?$"):
        hashes({"POSTROAD__SOURCES__APP__WRITE_KYE": "x"})


def test_settings_of_a_type():
    """A variable gives a type's own setting a text, which is read as what the type declares, as everywhere."""
    environ = {
        "POSTROAD__DESTINATIONS__MY_CRM__URL": "https://h",
        "POSTROAD__DESTINATIONS__MY_CRM__HEADERS__X_TOKEN": "true",
        "POSTROAD__DESTINATIONS__MY_CRM__HEADERS__OTHER": "12",
        "POSTROAD__DESTINATIONS__OUT__ROTATE_BYTES": "5",
        "POSTROAD__DESTINATIONS__OUT__PATH": "17",
    }
    text = FILE.replace("port = 80\n", "") + '[destinations.out]\ntype = "file"\nrotate_bytes = 7\n'
    config = loaded(environ, text, registry.settings_type)
    crm, out = config.destinations["My CRM"].settings, config.destinations["out"].settings
    assert {name: value.reveal() for name, value in crm.headers.items()} == {"X-Token": "true", "other": "12"}
    assert (out.rotate_bytes, out.path) == (5, "17")


def test_references_in_variables():
    """`${file:…}` works in a variable as in the file."""
    config = loaded({"POSTROAD__DESTINATIONS__MY_CRM__URL": "${URL}", "URL": "https://x.example.com"})
    assert config.destinations["My CRM"].options["url"] == "https://x.example.com"


def test_unknown_names():
    """A variable that names nothing is a problem, with the nearest that does; others are not ours."""
    environ = {
        "POSTROAD__SERVER__BNID": "x",
        "POSTROAD__SERVER": "x",
        "POSTROAD__DESTINATIONS__CRM__URL": "x",
        "POSTROAD__DESTINATIONS__MY_CRM__RETRY": "x",
        "POSTROAD__DESTINATIONS__MY_CRM__URL__HOST": "x",
        "POSTROAD_CONFIG": "x",
        "POSTROADSERVER": "x",
    }
    nothing = "names no setting of this configuration; did you mean"
    assert problems(environ) == (
        f"POSTROAD__DESTINATIONS__CRM__URL: {nothing} `POSTROAD__DESTINATIONS__MY_CRM__URL`?",
        "POSTROAD__DESTINATIONS__MY_CRM__RETRY: names a table; name one of its settings",
        "POSTROAD__DESTINATIONS__MY_CRM__URL__HOST: names a setting inside something that is not a table",
        "POSTROAD__SERVER: names a table; name one of its settings",
        f"POSTROAD__SERVER__BNID: {nothing} `POSTROAD__SERVER__BIND`?",
    )


def test_ambiguous_names():
    """Two ids that a variable can't tell apart are a problem only when one is used."""
    text = FILE + '[destinations.my-crm]\ntype = "file"\n'
    assert loaded({}, text)
    (told,) = problems({"POSTROAD__DESTINATIONS__MY_CRM__TYPE": "x"}, text)
    assert told == (
        "POSTROAD__DESTINATIONS__MY_CRM__TYPE: could mean more than one setting of this configuration; "
        "rename one of their tables"
    )


def test_a_bad_value_names_its_variable():
    """A problem with a value from the environment points to the variable and does not repeat the value."""
    assert problems({"POSTROAD__SERVER__BIND": "s3cret", "POSTROAD__SOURCES__APP__WRITE_KEY": "s3 cret\udc80"}) == (
        "POSTROAD__SOURCES__APP__WRITE_KEY: is not UTF-8",
        "POSTROAD__SERVER__BIND: server.bind: must be a host and a port such as 127.0.0.1:8080 or [::1]:8080",
    )


def test_ids_with_two_underscores():
    """An id may hold the separator itself."""
    config = loaded({"POSTROAD__DESTINATIONS__A__B__URL": "x"}, FILE + '[destinations.a__b]\ntype = "file"\n')
    assert config.destinations["a__b"].options == {"url": "x"}


def test_the_documented_name():
    """The name in the documentation is the name."""
    assert variable_of(("destinations", "My CRM", "url")) == "POSTROAD__DESTINATIONS__MY_CRM__URL"
