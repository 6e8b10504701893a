"""The tree of a configuration: how it is made of values, merged, and how its places are named."""

from dragoman.config.check import source_of
from dragoman.config.tree import Items, Scalar, Source, Table, merge, plant

FILE, LINE = Source("team.yaml", 3), Source("the command line")


def test_a_place_is_a_file_with_its_line_or_an_origin_alone() -> None:
    assert (str(FILE), str(LINE)) == ("team.yaml:3", "the command line")


def test_values_of_a_program_keep_their_kind() -> None:
    found = plant({"a": [True, None], 1: 2.5}, LINE)
    assert found == Table(
        {
            "a": Items((Scalar(True, "true", LINE), Scalar(None, "null", LINE)), LINE),
            "1": Scalar(2.5, "2.5", LINE),
        },
        LINE,
    )


def test_tables_merge_entry_by_entry_and_all_else_is_replaced() -> None:
    below = plant({"kept": 1, "inner": {"kept": 2, "list": [1, 2]}}, FILE)
    above = plant({"inner": {"list": [3]}, "new": None}, LINE)
    merged = merge(below, above)
    assert isinstance(merged, Table)
    assert merged.entries == {
        "kept": Scalar(1, "1", FILE),
        "inner": Table({"kept": Scalar(2, "2", FILE), "list": Items((Scalar(3, "3", LINE),), LINE)}, LINE),
        "new": Scalar(None, "null", LINE),
    }


def test_a_setting_comes_from_the_nearest_section_around_it() -> None:
    place, other = Source("a.yaml", 1), Source("b.yaml", 2)
    sources = {"models": place, "models.fa": other, "models.b": other}
    assert source_of("models.fast.hedge", sources) == place
    assert source_of("models.b[0].use", sources) == other
    assert source_of("aliases", sources) is None
