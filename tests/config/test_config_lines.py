"""Every key of a TOML text is found on its line."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from postroad.config.lines import key_lines

TEXT = """\
# a comment with [brackets] and "quotes"
top = 1

[server]   # comment
bind = "a # b"
'quoted key' = 'x'
tls = { cert = "c]", key = '}' }
"esc\\u0041\\"ped" = 2
long = \"\"\"
[not.a.table]
still = "text\"\"\"\"
lines = '''
x = 1'''

[regions."My us"]
hosts = [
    "a",   # one
    "b", [
        1,
    ],
]
rejections.known_rows = 5
  [  destinations . crm  ]
at = 1979-05-27 07:32:00
[[many]]
a = 1
[[many]]
b = 2
[many.inner]
c = 3
"""


def test_lines():
    """Headers, quoted and dotted keys, inline tables, lists and long texts each keep their line."""
    lines = key_lines(TEXT)
    expected = {
        ("top",): 2,
        ("server",): 4,
        ("server", "bind"): 5,
        ("server", "quoted key"): 6,
        ("server", "tls", "cert"): 7,
        ("server", "tls", "key"): 7,
        ("server", 'escA"ped'): 8,
        ("server", "long"): 9,
        ("server", "lines"): 12,
        ("regions", "My us"): 15,
        ("regions", "My us", "hosts"): 16,
        ("regions", "My us", "hosts", 0): 17,
        ("regions", "My us", "hosts", 1): 18,
        ("regions", "My us", "hosts", 2): 18,
        ("regions", "My us", "hosts", 2, 0): 19,
        ("regions", "My us", "rejections", "known_rows"): 22,
        ("destinations", "crm"): 23,
        ("destinations", "crm", "at"): 24,
        ("many", 0, "a"): 26,
        ("many", 1, "b"): 28,
        ("many", 1, "inner", "c"): 30,
    }
    assert {path: lines.get(path) for path in expected} == expected
    assert paths(tomllib.loads(TEXT)) == set(lines)


def paths(value, path=()):
    """Every path of a document, those of list elements too."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {path} if path else set()
    return found.union(*(paths(member, (*path, key)) for key, member in members))


_BITS = st.sampled_from(
    ["a", "b", "c.d", '"q k"', "' '", " = ", "=", "1", '"x"', "'y'", '"""', "'''", "[", "]", "[[", "]]", "{", "}", ",",
     ".", "\n", "\n", "\r\n", " ", "#", "\\", '"', "'", "true", "2024-01-01 01:02:03", "é"]
)  # fmt: skip
_KEYS = st.sampled_from(["a", "b", "a.b", '"a b"', "'c'.d", '"\\u00e9"', " a . b "])
_VALUES = st.recursive(
    st.sampled_from(["1", '"x"', "'#'", '"""\n"q"\n"""', "'''\n''x'''", '"\\""', "2024-01-01", "1e3"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: "[\n" + " , #c\n".join(values) + "]"),
        st.lists(st.tuples(_KEYS, inner), max_size=2).map(
            lambda pairs: "{" + ",".join(f"{key}={value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=4,
)
_STATEMENTS = st.one_of(
    st.tuples(_KEYS, _VALUES).map(" = ".join),
    _KEYS.map("[{}] # header".format),
    _KEYS.map("[[{}]]".format),
    st.just("# comment"),
)


@given(st.one_of(st.lists(_BITS, max_size=20).map("".join), st.lists(_STATEMENTS, max_size=6).map("\n".join)))
def test_any_valid_text(text):
    """Whatever tomllib accepts, the same paths are found in it, on lines that exist."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert set(lines) == paths(document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
