"""Write keys are made without a server or a configuration."""

import hashlib
import json
import subprocess
import sys


def test_keys_new():
    """A new key is shown with the digest that goes into the configuration."""
    run = subprocess.run(
        [sys.executable, "-m", "postroad", "keys", "new", "--region", "eu", "--json"], capture_output=True, check=True
    )
    made = json.loads(run.stdout)
    assert made["key"].startswith("sk_eu_")
    assert made["sha256"] == hashlib.sha256(made["key"].encode()).hexdigest()
    assert made["toml"] == f'write_key_sha256 = "{made["sha256"]}"'


def test_a_key_for_a_browser():
    """A publishable key comes with the line that makes its source public: its digest doesn't tell what it is."""
    run = subprocess.run(
        [sys.executable, "-m", "postroad", "keys", "new", "--publishable", "--json"], capture_output=True, check=True
    )
    made = json.loads(run.stdout)
    assert made["key"].startswith("pk_us_")
    assert made["toml"].splitlines() == [f'write_key_sha256 = "{made["sha256"]}"', "public = true"]
