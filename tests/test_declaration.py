import re
from pathlib import Path

import pytest

from spatialnets.errors import DeclarationError, UserError
from spatialnets.experiments.declaration import apply_override, load_file, load_preset, merge
from spatialnets.files.yaml_nodes import from_plain, parse, plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-6", 1e-6),
        (".5", 0.5),
        ("010", 10),
        ("0x1f", 31),
        ("0o17", 15),
        ("-3", -3),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("-.inf", float("-inf")),
        ("[5, 5, 4]", [5, 5, 4]),
        ("{linspace: [0, 1]}", {"linspace": [0, 1]}),
    ],
)
def test_scalars_have_the_values_of_yaml_1_2(text: str, value: object) -> None:
    parsed = plain(parse(f"key: {text}", "x.yaml"))["key"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_every_value_knows_its_line() -> None:
    root = parse("a: 1\nb:\n  c: 2\n", "x.yaml")
    assert isinstance(root.value, dict)
    inner = root.value["b"].value
    assert isinstance(inner, dict)
    assert inner["c"].mark == "x.yaml:3"


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(DeclarationError, match=r"x.yaml:2: 'a' is given twice \(first at x.yaml:1\)"):
        parse("a: 1\na: 2\n", "x.yaml")


def test_invalid_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(DeclarationError, match="x.yaml:3: not valid YAML: "):
        parse("a: 1\nb: [1, 2\nc: 3\n", "x.yaml")


def test_mappings_merge_and_lists_and_axes_replace() -> None:
    below = from_plain({"x": {"a": 1, "b": [1, 2], "c": {"linspace": [0, 1]}}}, "below")
    above = from_plain({"x": {"b": [3], "c": {"list": [5]}}}, "above")
    assert plain(merge(below, above)) == {"x": {"a": 1, "b": [3], "c": {"list": [5]}}}


def test_a_component_of_another_kind_replaces_the_whole_component() -> None:
    below = from_plain({"geometry": {"kind": "grid", "shape": [5, 5, 4]}}, "below")
    assert plain(merge(below, from_plain({"geometry": "sphere"}, ""))) == {"geometry": {"kind": "sphere"}}
    kept = merge(below, from_plain({"geometry": {"spacing": 2}}, ""))
    assert plain(kept) == {"geometry": {"kind": "grid", "shape": [5, 5, 4], "spacing": 2}}


def _paper(*overrides: str) -> dict[str, object]:
    root = load_preset("sernn_paper")
    for override in overrides:
        root = apply_override(root, override)
    content: dict[str, object] = plain(root)
    return content


def test_an_override_of_a_family_is_set_in_the_base_or_in_the_groups_that_set_it() -> None:
    content = _paper("geometry=sphere", "regularizer.strength=0.3", "training.epochs=3", "networks=16")
    assert content["networks"] == 16
    base, groups = content["base"], content["groups"]
    assert isinstance(base, dict)
    assert isinstance(groups, dict)
    assert base["geometry"] == {"kind": "sphere"}
    assert base["training"]["epochs"] == 3
    assert "regularizer" not in base
    assert {name: group["regularizer"] for name, group in groups.items()} == {
        "sernn": {"kind": "both", "strength": 0.3},
        "l1": {"kind": "l1", "strength": 0.3},
    }


def test_an_override_of_a_group_is_set_in_that_group_only() -> None:
    groups = _paper("groups.l1.regularizer.strength=0.01")["groups"]
    assert isinstance(groups, dict)
    assert groups["l1"]["regularizer"]["strength"] == 0.01
    assert groups["sernn"]["regularizer"]["strength"] == {"linspace": [1e-6, 1.0]}
    assert list(_paper("groups.l1=null")["groups"]) == ["sernn"]  # type: ignore[call-overload]


def test_an_axis_may_be_written_as_a_call() -> None:
    groups = _paper("groups.l1.regularizer.strength=logspace(1e-3, 1)")["groups"]
    assert isinstance(groups, dict)
    assert groups["l1"]["regularizer"]["strength"] == {"logspace": [0.001, 1]}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("networks", "expected key=value"),
        ("=3", "expected key=value"),
        ("netwroks=3", "unknown key 'netwroks': did you mean 'networks'"),
        ("groups.l2.regularizer.strength=1", "there is no group 'l2': did you mean 'l1'"),
        ("networks=[1", "not valid YAML"),
    ],
)
def test_an_invalid_override_is_quoted_with_the_reason(override: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=f"override '{re.escape(override)}': .*{message}"):
        _paper(override)


def test_files_extend_presets_and_each_other(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("extends: sernn_paper\nnetworks: 7\n")
    (tmp_path / "two.yaml").write_text("extends: one.yaml\nname: two\n")
    content = plain(load_file(tmp_path / "two.yaml"))
    assert content["networks"] == 7
    assert content["name"] == "two"
    assert content["base"]["geometry"]["shape"] == [5, 5, 4]
    assert "extends" not in content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("extends: self.yaml", "self.yaml:1: extends: it extends itself"),
        ("extends: sernn_papre", "did you mean 'sernn_paper'"),
        ("extends: absent.yaml", "there is no file"),
        ("extends: [1]", "expected a preset or a file"),
        ("", "self.yaml: this file is empty; expected a mapping"),
        ("- 1\n- 2", "self.yaml:1: this is a single value or a list; expected a mapping"),
    ],
)
def test_an_invalid_file_is_refused_with_the_reason(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "self.yaml").write_text(content)
    with pytest.raises(DeclarationError, match=message):
        load_file(tmp_path / "self.yaml")


def test_files_that_extend_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml")
    with pytest.raises(DeclarationError, match="it extends itself"):
        load_file(tmp_path / "a.yaml")


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    for path, message in (
        (tmp_path / "binary.yaml", "is not UTF-8 text"),
        (tmp_path / "absent.yaml", "there is no file"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(DeclarationError, match=message):
            load_file(path)
    with pytest.raises(UserError, match="did you mean 'sernn_demo'"):
        load_preset("sernn_dmeo")
