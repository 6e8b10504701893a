"""A page of `/metrics` as Prometheus' own parser reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """The values of one page."""

    def __init__(self, page: bytes | str) -> None:
        text = page if isinstance(page, str) else page.decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        self.names = {sample.name for sample in samples}
        self.samples = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
        assert len(self.samples) == len(samples), "one set of labels stands there twice"

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of what has these labels, among others."""
        wanted = labels.items()
        found = [value for (one, has), value in self.samples.items() if one == name and wanted <= has]
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {dict(has)[label] for one, has in self.samples if one == name}
