"""Write keys are made without a server or a configuration."""

import hashlib
import json
import os
import subprocess
import sys

from postroad.config import ensure_admin_token
from postroad.web.token import AdminToken


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


def test_the_token_of_the_metrics(tmp_path):
    """It is shown once there is an admin token, alone on its line, and is not the admin token."""
    environ = os.environ | {"POSTROAD__SERVER__DATA_DIR": str(tmp_path), "POSTROAD__SOURCES__APP__WRITE_KEY": "k"}
    command = [sys.executable, "-m", "postroad", "keys", "metrics"]
    missing = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (3, "")
    assert "admin-token: no server has been started here" in missing.stderr
    admin, _ = ensure_admin_token(tmp_path)
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, cwd=tmp_path).stdout
    assert shown == f"{AdminToken(lambda: admin).of('/metrics').text}\n"
    assert admin not in shown
