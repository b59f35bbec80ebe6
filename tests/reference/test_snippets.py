"""The page's examples do what they show: run as they are against the real server, they are taken."""

import os
import shutil
import subprocess
import sys

import pytest
from server import KEY

from postroad.contract.email import Kind
from postroad.reference.examples import CALLS, batch_example, email_example
from postroad.reference.snippets import Exchange, plain, snippets

REQUESTS = {
    **{kind.event: Exchange("POST", "/v1/track", email_example(kind)) for kind in Kind},
    **{call.wire: Exchange("POST", f"/v1/{call.wire}", body) for call, body in CALLS.items()},
    "batch": Exchange("POST", "/v1/batch", batch_example()),
    "settings": Exchange("GET", "/v1/projects/{key}/settings", None),
    "quotes": Exchange("POST", "/v1/track", {"userId": "u", "event": 'It\'s "it"', "properties": {"a": [None, True]}}),
}


def run(language, snippet):
    """Run a snippet and return what it prints."""
    if language == "curl":
        command = ["sh", "-c", f"{snippet} --silent --show-error --fail-with-body"]
    elif language == "Python":
        command = [sys.executable, "-c", snippet]
    else:
        if shutil.which("node") is None:
            if os.environ.get("CI"):
                pytest.fail("Node is not installed")
            pytest.skip("Node is not installed")
        command = ["node", "--input-type=module", "--eval", snippet]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.strip()


@pytest.mark.full
@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_copied_example_is_taken_in_strict_mode(api, name, language):
    """Every event, every call, the batch and the settings: copied, run, and answered 200."""
    exchange = REQUESTS[name]
    printed = run(language, plain(snippets(exchange)[language], api, KEY))
    assert language == "curl" or printed.startswith("200 ")
    body = printed.removeprefix("200 ")
    assert body == "{}" if exchange.body else KEY in body


def test_a_quote_in_a_body_stays_inside_the_curl_s_own():
    """The shell gives curl the JSON as it was, apostrophes included."""
    snippet = plain(snippets(REQUESTS["quotes"])["curl"], "http://127.0.0.1:1", "k")
    words = subprocess.run(
        ["sh", "-c", snippet.replace("curl ", "printf '%s\\n' ", 1)], capture_output=True, text=True, check=True
    ).stdout
    assert '"event": "It\'s \\"it\\""' in words
