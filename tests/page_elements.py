"""A page as elements, to look things up in, and the reference page so."""

from html.parser import HTMLParser

from postroad.reference.page import docs_page

VOID = {"meta", "link", "input", "rect", "path", "circle", "br"}


class Element:
    """An element of a page: its tag, its attributes, what is in it."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes = tag, attributes
        self.inside = []

    def all(self, **wanted):
        """Yield the elements inside that have these attributes; a tag is an attribute, too."""
        for each in self.inside:
            if isinstance(each, Element):
                told = {"tag": each.tag, **each.attributes}
                if all(told.get(name.replace("_", "-")) == value for name, value in wanted.items()):
                    yield each
                yield from each.all(**wanted)

    @property
    def text(self):
        """All the text inside."""
        return "".join(each if isinstance(each, str) else each.text for each in self.inside)


class Reader(HTMLParser):
    """Reads a page into elements; complains when a tag is not closed where it should be."""

    def __init__(self):
        super().__init__()
        self.root = Element("root", {})
        self._open = [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self._open[-1].inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
            self._open.pop()

    def handle_data(self, data):
        self._open[-1].inside.append(data)


def read(servers, **options):
    """Return the root of the page for these servers."""
    reader = Reader()
    reader.feed(docs_page(servers, **options).decode())
    reader.close()
    return reader.root


def section(page, anchor):
    """Return the section with this id."""
    return next(page.all(tag="section", id=anchor))
