"""Places in a report: each is a JSON path from the root of the body that it is in."""

from __future__ import annotations

from dragoman.dialects.loss import MOST, Change, Loss, Report


def test_places_of_both_bodies_begin_at_their_root() -> None:
    report = Report("there")
    report.lose("sampling.seed", "no seed", "quality")
    report.change("max_output", "max_tokens", "another word")
    report.add("messages[1]", "a result is demanded")
    losses, changes = report.located("$.mine.{}".format)
    assert losses == (Loss("$.mine.sampling.seed", "no seed", "quality", "there"),)
    assert changes == (
        Change("$.mine.max_output", "$.max_tokens", "another word"),
        Change(None, "$.messages[1]", "a result is demanded"),
    )


def test_what_is_not_written_has_no_place_there() -> None:
    report = Report("there", "response")
    report.change("candidates[0].blocks[0].sealed", "", "kept")
    assert report.located(str)[1] == (Change("candidates[0].blocks[0].sealed", "", "kept"),)


def test_one_loss_is_named_once() -> None:
    report = Report("there")
    report.lose("tools", "none")
    report.lose("tools", "none")
    report.lose("tools", "other")
    assert [loss.reason for loss in report.losses] == ["none", "other"]


def test_a_loss_that_is_listed_is_no_further_loss() -> None:
    report = Report("there")
    for index in range(MOST):
        report.lose(f"messages[{index}].cache", "no marks", "hint")
    report.lose("messages[0].cache", "no marks", "hint")
    assert len(report.losses) == MOST


def test_a_report_stays_short_and_says_so() -> None:
    report = Report("there")
    for index in range(3 * MOST):
        report.lose(f"messages[{index}].cache", "no marks", "hint")
        report.change(f"messages[{index}].role", "role", "another word")
        report.add(f"messages[{index}]", "demanded")
    report.lose("tools", "none")
    losses, changes = report.located("$.{}".format)
    assert len(losses) == MOST + 2
    assert losses[-2] == Loss("$", "further losses are not listed", "hint", "there")
    assert losses[-1] == Loss("$.tools", "none", "meaning", "there")  # each severity has room of its own
    assert (len(changes), changes[-1]) == (MOST + 1, Change(None, "", "further changes are not listed"))
