"""The words of `tritonrepo compare`; what it does with them is in tests/live/test_compare.py."""

from __future__ import annotations

import pytest

from tritonrepo.cli.main import main

LISTS = ("--batch-sizes", "--concurrency", "--request-rate")


@pytest.mark.parametrize("option", LISTS)
@pytest.mark.parametrize("value", ["0", "1,0", "-1", "", "1,", ",", "x", "1,,2", "1;2", "nan"])
def test_a_wrong_list_is_answered_with_what_it_may_hold(
    option: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["compare", f"{option}={value}"])
    assert exit_.value.code == 2
    said = " ".join(capfd.readouterr().err.split())
    wrong = next(part for part in value.split(",") if part not in ("1", "2"))
    numbers = "a number above 0" if option == "--request-rate" else "a whole number from 1 to 1000000"
    assert f"argument {option}: {wrong!r}: give {numbers}" in said


@pytest.mark.parametrize("option", ["--batch-sizes", "--concurrency"])
def test_a_fraction_is_no_whole_number(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", option, "1.5"])
    assert "'1.5': give a whole number from 1" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", ""], "models '': give their names"),
        (["--models", "a,,b"], "models 'a', '', 'b': give their names"),
        (["--models", "a,b", "--reference", "c"], "the reference c is not among the models: a, b"),
        (["--request-rate", "inf"], "a request rate of inf"),
        (["--window", "0"], "a window of 0 s: it must be more than 0"),
        (["--window", "inf"], "a window of inf s"),
        (["--windows", "2"], "2 windows: the stability rule and the intervals need 3"),
        (["--stability", "0"], "a stability of 0%: it must be more than 0"),
        (["--latency-budget-ms", "-1"], "a latency budget of -1 ms"),
        (["--fail-on-regression", "5%"], "--fail-on-regression needs a --baseline"),
        (["--shared-memory"], "leave out --shared-memory"),
        (["--url", "127.0.0.1:1,127.0.0.1:2"], "compare measures one server"),
        (["--engine", "perf_analyzer", "--tls"], "perf_analyzer is not given TLS"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_asked_of_a_server(
    words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """There is no server, which would be status 3."""
    assert main(["compare", "--url", "127.0.0.1:1", *words]) == 2
    assert message in capfd.readouterr().err
