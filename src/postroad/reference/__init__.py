"""The reference of the API: an OpenAPI document made from the contract, and the page that shows it.

The page's sentences are in `templates/guides.html`, those about members and events in `words.py` and the contract's own
types, the clients' quick starts in `clients.toml`. A new section is a `{% call section(...) %}` in a template, and a
link in `templates/contents.html`.
"""
