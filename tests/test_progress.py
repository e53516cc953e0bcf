import io

from spatialnets.progress import Bar, Lines, NoProgress, Progress, clock_words, terminal_progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_say_how_much_is_left_from_this_sittings_work_alone() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, interval=10, clock=clock)
    lines.begin(total=1000, done=500, label="mine")
    clock.now = 1.0
    lines.advance(10, "early")  # too early for a line
    clock.now = 20.0  # 90 updates in the 19 seconds since work began, 400 to go
    lines.advance(90, "sernn epoch 3")
    lines.say("something")
    clock.now = 100.0
    lines.advance(400, "l1")
    lines.end()
    lines.end()
    assert stream.getvalue().splitlines() == [
        "mine: 1,000 updates, 500 of them made before",
        " 60 % 600 of 1,000 updates, 0:20 elapsed, about 1:24 left (sernn epoch 3)",
        "something",
        "100 % 1,000 of 1,000 updates, 1:40 elapsed (l1)",
        "100 % 1,000 of 1,000 updates, 1:40 elapsed",
    ]


def test_every_display_bears_the_whole_course_and_a_second_end() -> None:
    displays: list[Progress] = [NoProgress(), Bar(), Lines(io.StringIO())]
    for display in displays:
        display.end()
        display.begin(10, 0, "mine")
        display.advance(10, "now")
        display.say("[bold]not markup[/nonsense]")
        display.end()
        display.end()


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(terminal_progress(), Lines)


def test_durations_are_written_as_clocks_do() -> None:
    assert [clock_words(seconds) for seconds in (0, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]
