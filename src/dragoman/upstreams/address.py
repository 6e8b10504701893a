"""The URLs of a provider's endpoints. A URL may contain the model's name."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from yarl import URL

_MOST: Final = 1024
"""The most models whose URLs an address caches; the next model empties the cache."""


class Address:
    """The URL of an endpoint. url: the whole URL, already escaped; `{model}` in it, if it occurs, stands for
    the model's name.
    """

    def __init__(self, url: str) -> None:
        self._before, named, self._after = url.partition("{model}")
        self._folder = self._before.rstrip("/").rpartition("/")[2] + "/"
        self._fixed = None if named else URL(url, encoded=True)
        self._met: dict[str, URL] = {}

    def of(self, model: str) -> URL:
        """Return the URL for one model. A URL without `{model}` is the same for every model. Otherwise the
        model's name replaces `{model}`, escaped so that it is one segment of the path. If the URL is
        `…/models/{model}…`, a name that begins with `models/` is used without this beginning; likewise for
        any other segment that precedes `{model}`.
        """
        if self._fixed is not None:
            return self._fixed
        url = self._met.get(model)
        if url is None:
            if len(self._met) >= _MOST:
                self._met.clear()
            name = quote(model.removeprefix(self._folder), safe="")
            url = self._met[model] = URL(self._before + name + self._after, encoded=True)
        return url
