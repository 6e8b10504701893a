"""All stores read the pages of a conversation by the same cursors, whether or not its items' ids repeat."""

from __future__ import annotations

import pytest

from dragoman.state.store import Conversation, Item, Store
from tests.unit.stores.conftest import NOW


async def read(store: Store, limit: int, newest: bool, *, by_id: bool = False) -> list[bytes]:
    """Return the bodies of all items, read page by page. by_id: by the id of a page's last item, not by the
    page's own cursor.
    """
    found: list[bytes] = []
    after, more = None, True
    while more:
        assert len(found) < 20, "the pages loop"
        page = await store.conversations.page("t", "c", after=after, limit=limit, newest=newest)
        assert page is not None
        found += [item.body for item in page.items]
        more = page.more
        if page.items:
            after = page.items[-1].id if by_id else page.last
    return found


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("ids", [["a", "a", "b"], ["a", "b", "a", "a"], ["a", "a@0", "b", "a"], ["x@9", "b"]])
async def test_items_with_equal_ids_are_each_read_once(
    store: Store, ids: list[str], limit: int, newest: bool
) -> None:
    bodies = [b"%d" % number for number in range(len(ids))]
    items = [Item(id_, body) for id_, body in zip(ids, bodies, strict=True)]
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items[:1])
    await store.conversations.append("t", "c", items[1:], expires=None)
    assert await read(store, limit, newest) == (bodies[::-1] if newest else bodies)
    by_id = await read(store, limit, newest, by_id=True)  # ends; an item may be left out
    assert by_id[0] == (bodies[-1] if newest else bodies[0])


async def test_an_item_with_an_id_of_its_own_is_its_own_cursor(store: Store) -> None:
    items = [Item("a", b"0"), Item("b", b"1"), Item("a", b"2")]
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items)
    cursors = []
    for limit in (1, 2, 3):
        page = await store.conversations.page("t", "c", after=None, limit=limit, newest=False)
        assert page is not None
        cursors.append(page.last)
    assert cursors == ["a@0", "b", "a@2"]
    assert await store.conversations.remove("t", "c", "a")
    with pytest.raises(KeyError):
        await store.conversations.page("t", "c", after="a@0", limit=1, newest=False)
    page = await store.conversations.page("t", "c", after="b", limit=1, newest=False)
    assert page is not None
    assert (page.items, page.last) == ([], None)
