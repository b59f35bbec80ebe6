"""What others wrote, made fit to print."""


def printable(text: str) -> str:
    r"""Return `text` on one line: what could move a terminal's cursor or fake a log line becomes `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
