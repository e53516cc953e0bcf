import numpy as np
import pytest

from spatialnets.experiments.axes import Axis, network_values, read_axis
from spatialnets.files.yaml_nodes import from_plain


def axis(**content: object) -> Axis:
    return read_axis(from_plain(content, "here"))


def test_axes_have_the_declared_values() -> None:
    assert axis(linspace=[0, 1]).values(3) == (0.0, 0.5, 1.0)
    assert axis(linspace=[0, 1, 2]).values(9) == (0.0, 1.0)
    np.testing.assert_allclose(axis(logspace=[0.01, 1, 3]).values(9), [0.01, 0.1, 1])
    assert axis(range=[3]).values(9) == (0, 1, 2)
    assert axis(range=[5, 1, -2]).values(9) == (5, 3)
    assert axis(list=["a", 2]).values(9) == ("a", 2)
    assert axis(linspace=[0.2, 1]).values(1) == (0.2,)


@pytest.mark.parametrize(
    "content",
    [
        {"linspace": [0]},
        {"linspace": 3},
        {"linspace": [0, "b"]},
        {"linspace": [0, 1, 0]},
        {"linspace": [0, 1, 2.5]},
        {"linspace": [0, float("nan")]},
        {"logspace": [0, 1]},
        {"logspace": [-1, 1]},
        {"range": []},
        {"range": [1.5]},
        {"range": [0, 5, 0]},
        {"range": [5, 0]},
        {"list": []},
        {"list": 3},
    ],
)
def test_an_axis_with_invalid_arguments_is_refused_with_the_expected_form(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected {"):
        axis(**content)


def test_explicit_axes_are_crossed_and_others_run_along_the_networks() -> None:
    axes = {"a": axis(list=[1, 2]), "b": axis(linspace=[0, 1]), "c": axis(list=["x", "y"])}
    values = network_values(axes, [], networks=2)
    assert [tuple(value.values()) for value in values] == [
        (1, 0.0, "x"), (1, 1.0, "x"), (1, 0.0, "y"), (1, 1.0, "y"),
        (2, 0.0, "x"), (2, 1.0, "x"), (2, 0.0, "y"), (2, 1.0, "y"),
    ]  # fmt: skip


def test_zipped_axes_advance_together() -> None:
    axes = {"a": axis(list=[1, 2]), "b": axis(list=[10, 20]), "c": axis(range=[2])}
    values = network_values(axes, [["a", "b"]], networks=1)
    assert [tuple(value.values()) for value in values] == [(1, 10, 0), (1, 10, 1), (2, 20, 0), (2, 20, 1)]


def test_zipped_axes_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="need the same explicit length: a has 2, b has 3"):
        network_values({"a": axis(list=[1, 2]), "b": axis(range=[3])}, [["a", "b"]], networks=1)
    with pytest.raises(ValueError, match="b has none"):
        network_values({"a": axis(list=[1, 2]), "b": axis(linspace=[0, 1])}, [["a", "b"]], networks=1)


def test_a_plain_list_needs_one_value_for_each_network() -> None:
    with pytest.raises(ValueError, match="expected 2 values, one for each network, got 3"):
        network_values({"s": Axis("along", (1, 2, 3))}, [], networks=2)


def test_without_axes_no_field_differs_between_networks() -> None:
    assert network_values({}, [], networks=3) == [{}, {}, {}]
