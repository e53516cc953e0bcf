import io

from spatialnets.progress import Bar, Lines, NoProgress, Progress, clock_time, terminal_progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_estimate_the_time_left_from_this_session_alone() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, interval=10, clock=clock)
    lines.begin(total=1000, done=500, label="mine")
    clock.now = 1.0
    lines.advance(10, "early")  # too early for a line
    clock.now = 20.0  # 90 updates in the 19 seconds since work began, 400 left
    lines.advance(90, "sernn epoch 3")
    lines.say("something")
    clock.now = 100.0
    lines.advance(400, "l1")
    lines.end()
    lines.end()
    assert stream.getvalue().splitlines() == [
        "mine: 1,000 updates, 500 done earlier",
        " 60 % 600 of 1,000 updates, 0:20 elapsed, about 1:24 left (sernn epoch 3)",
        "something",
        "100 % 1,000 of 1,000 updates, 1:40 elapsed (l1)",
        "100 % 1,000 of 1,000 updates, 1:40 elapsed",
    ]


def test_every_display_can_begin_advance_and_end_twice() -> None:
    displays: list[Progress] = [NoProgress(), Bar(), Lines(io.StringIO())]
    for display in displays:
        display.end()
        display.begin(10, 0, "mine")
        display.advance(10, "now")
        display.say("[bold]not markup[/nonsense]")
        display.end()
        display.end()


def test_progress_without_a_terminal_is_plain_lines() -> None:
    assert isinstance(terminal_progress(), Lines)


def test_durations_are_formatted_as_hours_minutes_and_seconds() -> None:
    assert [clock_time(seconds) for seconds in (0, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]
