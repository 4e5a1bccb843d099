"""How many steps are planned, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from streamvc.training.voice.pace import FEW, PROBE, Pace, forecast, minutes, outcome


class Time:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Ran:
    """A plan that came to its end, how many steps it had planned after each, and the forecast after the probe."""

    pace: Pace
    plans: list[int]
    told: str | None


def run(wanted: int, seconds: float, cost: Callable[[int], float]) -> Ran:
    """Do a plan to its end; `cost(step)` are the seconds of a step."""
    clock = Time()
    ran = Ran(Pace(wanted, seconds, clock, after=8.0), [], None)
    while not ran.pace.over:
        clock.now += cost(ran.pace.done + 1)
        ran.pace.step()
        ran.plans.append(ran.pace.planned)
        if ran.pace.done == PROBE:
            ran.told = forecast(ran.pace)
    return ran


def test_a_machine_that_is_fast_enough_does_all_steps_and_plans_them_from_the_start() -> None:
    ran = run(160, 540.0, lambda step: 5.0 if step == 1 else 2.0)
    pace = ran.pace
    assert (pace.done, pace.limited) == (160, False)
    assert set(ran.plans) == {160}
    assert pace.gone == 1.0
    assert ran.told == "fit: 2.0 s a step on this machine, about 5.5 minutes for all 160 steps and the judging"
    assert outcome(pace, 30.0) == "fit: all 160 steps in 5.4 minutes"


def test_a_slow_machine_does_what_fits_and_says_it() -> None:
    """12 s a step, as a busy machine had: 160 of them would take half an hour."""
    ran = run(160, 540.0, lambda step: 12.0)
    pace = ran.pace
    assert pace.done == 37
    assert pace.elapsed + 8 * 12.0 <= 540.0
    assert ran.told == (
        "fit: 12.0 s a step on this machine, about 8.2 minutes for 37 of 160 steps and the judging: "
        "the time limit leaves out the others"
    )
    assert outcome(pace, 60.0) == (
        "fit: 37 of 160 steps in 7.4 minutes, too few to expect much: the time limit left out the others "
        "(--minutes 39 would allow all of them, as would a machine with less other work)"
    )


def test_the_first_step_does_not_count_for_the_speed() -> None:
    ran = run(50, 600.0, lambda step: 60.0 if step == 1 else 3.0)
    pace = ran.pace
    assert (pace.done, pace.limited) == (50, False)
    assert pace.step_seconds == pytest.approx(3.0)


def test_a_machine_that_becomes_slow_ends_in_time_and_its_plan_comes_to_an_end() -> None:
    ran = run(160, 540.0, lambda step: 2.0 if step <= 60 else 10.0)
    pace = ran.pace
    assert pace.limited
    assert 60 < pace.done < 160
    assert pace.elapsed <= 540.0
    assert pace.gone == 1.0
    assert "too few" not in outcome(pace, 0.0)
    assert pace.done >= FEW


def test_a_machine_that_becomes_free_does_them_all() -> None:
    ran = run(160, 540.0, lambda step: 9.0 if step <= 6 else 2.0)
    pace = ran.pace
    assert (pace.done, pace.limited) == (160, False)
    assert min(ran.plans) < 160


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.5])
def test_one_step_is_always_done(seconds: float) -> None:
    ran = run(160, seconds, lambda step: 1.0)
    pace = ran.pace
    assert (pace.done, pace.limited, pace.gone) == (1, True, 1.0)


def test_a_clock_that_stands_still_divides_nothing_by_zero() -> None:
    ran = run(10, 5.0, lambda step: 0.0)
    pace = ran.pace
    assert (pace.done, pace.limited, pace.left) == (10, False, 0.0)


def test_fewer_steps_than_the_probe() -> None:
    ran = run(2, 60.0, lambda step: 1.0)
    pace = ran.pace
    assert (pace.done, pace.limited, ran.told) == (2, False, None)
    assert outcome(pace, 0.0) == "fit: all 2 steps in 2 s"


def test_time_for_people() -> None:
    assert [minutes(x) for x in (0.0, 59.6, 89.0, 90.0)] == ["0 s", "60 s", "89 s", "1.5 minutes"]
