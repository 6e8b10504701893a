"""The URLs of a provider's endpoints. Some of them contain the model's name."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from yarl import URL

_MOST: Final = 1024
"""The most models whose URLs an address caches; the next model empties the cache."""


class Address:
    """The URL of an endpoint. If the URL contains `{model}`, the model's name is put there."""

    def __init__(self, url: str) -> None:
        self._before, named, self._after = url.partition("{model}")
        self._folder = self._before.rstrip("/").rpartition("/")[2] + "/"
        self._fixed = None if named else URL(url, encoded=True)
        self._met: dict[str, URL] = {}

    def of(self, model: str) -> URL:
        """Return the URL for one model. A URL without `{model}` is the same for every model. Otherwise the
        model's name is escaped to a single segment of the path. If the name begins with the path segment that
        is before it in the URL ("models/…"), this segment is not repeated.
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
