"""What the tests of a match's pages look at them with: a real server, and the rows that its HTML holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from queue import Queue

import httpx
from starlette.types import ASGIApp

from recorder.web import serving
from recorder.web.app import application
from tests.archive.filling import Filled
from tests.web.api.conftest import listening

VOID = frozenset(("meta", "link", "input", "br", "hr", "img", "wbr"))


@contextmanager
def visiting(archive: Filled) -> Iterator[httpx.Client]:
    """Serve the pages of an archive while the block runs."""
    with listening(application(archive.url)) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


@contextmanager
def publicly(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Serve as `recorder serve` does, while the block runs; gives where to dial."""
    loops: Queue[asyncio.AbstractEventLoop] = Queue()
    leave = asyncio.Event()

    async def serve() -> None:
        loops.put(asyncio.get_running_loop())
        async with serving.served(app, listener):
            await leave.wait()

    with serving.listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="page")
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            loops.get().call_soon_threadsafe(leave.set)
            thread.join(30)
    assert not thread.is_alive()


def seen(client: httpx.Client, path: str, **query: str | list[str]) -> str:
    """Return the HTML of a page, which has to be there."""
    answer = client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.text


@dataclass
class Element:
    """An element of a page; ``text``: what it says, white space folded."""

    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Element] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.parts.append(data)


def elements(html: str) -> list[Element]:
    """Return all elements in their order; every one has to be closed where it should be."""
    parser = _Elements()
    parser.feed(html)
    parser.close()
    return parser.found


def rows(html: str) -> list[Element]:
    """Return the rows of the timeline."""
    return [each for each in elements(html) if each.tag == "tr" and "data-key" in each.attributes]


def by_id(html: str, name: str) -> Element:
    """Return the one element with an id."""
    (found,) = [each for each in elements(html) if each.attributes.get("id") == name]
    return found


def links(html: str) -> dict[str, str]:
    """Return the addresses of links by their words."""
    return {each.text: each.attributes["href"] for each in elements(html) if each.tag == "a" and each.text}
