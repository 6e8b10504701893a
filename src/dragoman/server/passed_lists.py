"""Makes a client's page of a list from a provider's pages.

A provider lists the objects of all clients. The objects of other clients are removed from each page, and more
pages are fetched if too few objects are left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode

from dragoman import ir
from dragoman.dialects.object_ids import AFTER, BEFORE
from dragoman.errors import RequestFailed
from dragoman.server.numbers import whole_number

Fetch: TypeAlias = Callable[[str], Awaitable[dict[str, Any]]]
"""Returns a page of the list at a provider. The argument is the path and query."""
Own: TypeAlias = Callable[[Sequence[Any]], Awaitable[list[Any]]]
"""Returns those of a page's objects that the client may see."""

MOST_PAGES: Final = 50
"""The most pages that are fetched for one page of a client."""
_PAGE: Final = 100
"""The fewest objects to ask for in a further page; every vendor allows this number."""


async def gather(first: dict[str, Any], target: str, fetch: Fetch, own: Own) -> dict[str, Any]:
    """Return a client's page of a list: a copy of `first` or of a further page, with only those objects that
    the client may see. first: the provider's answer to the client's own query; its `data` must be a list.
    target: the path and query of this call to the provider. fetch: called for further pages. own: returns the
    objects of a page that the client may see. Errors of both are raised.

    Raises RequestFailed (503) if the first `MOST_PAGES` pages contain no such objects and more pages follow,
    and (502) if the provider's pages cannot be followed. A list of Mistral (pages with numbers) is read
    completely, from its first page on; RequestFailed is raised if it has 100 × `MOST_PAGES` objects or more.
    """
    path, _, search = target.partition("?")
    query = dict(parse_qsl(search, keep_blank_values=True))
    if "has_more" not in first and "total" in first:
        return await _numbered(first, path, query, fetch, own)
    if first.get("next_page") is not None:
        return await _chained(first, path, query, fetch, own)
    return await _linked(first, path, query, fetch, own)


async def _chained(
    first: dict[str, Any], path: str, query: dict[str, str], fetch: Fetch, own: Own
) -> dict[str, Any]:
    """Return the first page with objects of the client, in a list where each page has a token for the next
    page (Anthropic's files). The page may be short. If no page has objects of the client, return the last
    page, empty. Raises RequestFailed if none of `MOST_PAGES` pages has such objects and more follow.
    """
    page, kept, pages = first, await own(first["data"]), 1
    while not kept and page.get("next_page") is not None:
        if pages == MOST_PAGES:
            raise RequestFailed(TOO_LONG)
        page = await fetch(f"{path}?{urlencode({**query, 'page': str(page['next_page'])})}")
        kept = await own(page["data"]) if isinstance(page.get("data"), list) else []
        pages += 1
    return {**page, "data": kept}


async def _linked(
    first: dict[str, Any], path: str, query: dict[str, str], fetch: Fetch, own: Own
) -> dict[str, Any]:
    """Return a page of a list whose query can name the object after which a page begins, or before which it
    ends. The page is filled with the client's objects from further pages, up to the query's `limit` (if that
    is missing or no number: up to the size of the first page), but from at most `MOST_PAGES` pages. Raises
    RequestFailed if none of these pages has objects of the client and more follow, and (502) if the object at
    the end of a page, after which the next page begins, has no id.
    """
    forwards = not any(name in query for name in BEFORE)
    cursor = "after" if "object" in first else "after_id"  # OpenAI's or Anthropic's form
    cursor = next((name for name in (*BEFORE, *AFTER) if name in query), cursor)
    entries: list[Any] = first["data"]
    limit = _limit(query, "limit", len(entries))
    kept = await own(entries)
    more, pages = bool(first.get("has_more")), 1
    while more and entries and len(kept) < limit:
        if pages == MOST_PAGES:
            if not kept:
                raise RequestFailed(TOO_LONG)
            break
        last = entries[-1 if forwards else 0]
        if not isinstance(last, dict) or not isinstance(end := last.get("id"), str):
            raise RequestFailed(_UNFOLLOWED)
        further: dict[str, str] = {**query, cursor: end, "limit": str(max(limit, _PAGE))}
        page = await fetch(f"{path}?{urlencode(further)}")
        entries = page["data"] if isinstance(page.get("data"), list) else []
        found = await own(entries)
        kept = kept + found if forwards else found + kept
        more, pages = bool(page.get("has_more")), pages + 1
    if len(kept) > limit:
        kept, more = (kept[:limit] if forwards else kept[-limit:]), True
    return {**first, "data": kept, "has_more": more}


async def _numbered(
    first: dict[str, Any], path: str, query: dict[str, str], fetch: Fetch, own: Own
) -> dict[str, Any]:
    """Return a page of Mistral's list, whose pages have numbers from 0. All pages of the provider are read,
    because a client's page numbers (`page`, `page_size`) and `total` count only the client's objects. Raises
    RequestFailed if all of `MOST_PAGES` pages are full.
    """
    number, size = _limit(query, "page", 0), _limit(query, "page_size", _PAGE)
    kept: list[Any] = []
    for at in range(MOST_PAGES):
        page = await fetch(f"{path}?{urlencode({**query, 'page': str(at), 'page_size': str(_PAGE)})}")
        entries = page["data"] if isinstance(page.get("data"), list) else []
        kept += await own(entries)
        if len(entries) < _PAGE:
            break
    else:
        raise RequestFailed(TOO_LONG)
    return {**first, "data": kept[number * size : (number + 1) * size], "total": len(kept)}


def _limit(query: dict[str, str], name: str, otherwise: int) -> int:
    number = whole_number(query.get(name, ""))
    return otherwise if number is None else number


_UNFOLLOWED: Final = ir.Fault(
    "upstream",
    "The provider states that its list has more pages, but the object after which the next page begins has no"
    " id.",
    blame="upstream",
)
TOO_LONG: Final = ir.Fault(
    "unavailable",
    "The provider's account has too many objects of other clients to find yours in this list. Name what you"
    " look for by its id, or narrow the list.",
    "list_too_long",
    blame="gateway",
)
