"""The URLs of endpoints, of which some name the model."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from yarl import URL

_MOST: Final = 1024
"""The most models whose URLs an address remembers; one more makes it forget all of them."""


class Address:
    """The URL of an endpoint. If it contains `{model}`, this stands for the model's name."""

    def __init__(self, url: str) -> None:
        self._before, named, self._after = url.partition("{model}")
        self._folder = self._before.rstrip("/").rpartition("/")[2] + "/"
        self._fixed = None if named else URL(url, encoded=True)
        self._met: dict[str, URL] = {}

    def of(self, model: str) -> URL:
        """The URL for one model. The model's name is escaped to a single segment of the path. If the name
        begins with the folder that is before it in the URL ("models/…"), the folder is not repeated.
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
