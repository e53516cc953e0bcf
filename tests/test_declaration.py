from pathlib import Path

import pytest

from spatialnets.errors import DeclarationError, UserError
from spatialnets.experiments.declaration import apply_word, from_plain, load_file, load_preset, merge, parse, plain


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
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = plain(parse(f"key: {text}", "x.yaml"))["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line() -> None:
    root = parse("a: 1\nb:\n  c: 2\n", "x.yaml")
    assert isinstance(root.value, dict)
    inner = root.value["b"].value
    assert isinstance(inner, dict)
    assert inner["c"].mark == "x.yaml:3"


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(DeclarationError, match=r"x.yaml:2: 'a' is given twice \(first at x.yaml:1\)"):
        parse("a: 1\na: 2\n", "x.yaml")


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(DeclarationError, match="x.yaml:3: this is no YAML"):
        parse("a: 1\nb: [1, 2\nc: 3\n", "x.yaml")


def test_mappings_merge_and_lists_and_axes_replace() -> None:
    below = from_plain({"x": {"a": 1, "b": [1, 2], "c": {"linspace": [0, 1]}}}, "below")
    above = from_plain({"x": {"b": [3], "c": {"list": [5]}}}, "above")
    assert plain(merge(below, above)) == {"x": {"a": 1, "b": [3], "c": {"list": [5]}}}


def test_a_part_of_another_kind_replaces_the_part() -> None:
    below = from_plain({"geometry": {"kind": "grid", "shape": [5, 5, 4]}}, "below")
    assert plain(merge(below, from_plain({"geometry": "sphere"}, ""))) == {"geometry": {"kind": "sphere"}}
    kept = merge(below, from_plain({"geometry": {"spacing": 2}}, ""))
    assert plain(kept) == {"geometry": {"kind": "grid", "shape": [5, 5, 4], "spacing": 2}}


def _paper(*words: str) -> dict[str, object]:
    root = load_preset("sernn_paper")
    for word in words:
        root = apply_word(root, word)
    content: dict[str, object] = plain(root)
    return content


def test_a_word_for_a_family_reaches_the_base_or_the_groups_that_set_it() -> None:
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


def test_a_word_for_a_group_reaches_that_group_alone() -> None:
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
    ("word", "said"),
    [
        ("networks", "expected key=value"),
        ("=3", "expected key=value"),
        ("netwroks=3", "unknown key 'netwroks': did you mean 'networks'"),
        ("groups.l2.regularizer.strength=1", "no group is called 'l2': did you mean 'l1'"),
        ("networks=[1", "this is no YAML"),
    ],
)
def test_a_word_that_leads_nowhere_is_answered(word: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=f"word '{word.replace('[', '.')}.*{said}"):
        _paper(word)


def test_files_extend_presets_and_each_other(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("extends: sernn_paper\nnetworks: 7\n")
    (tmp_path / "two.yaml").write_text("extends: one.yaml\nname: two\n")
    content = plain(load_file(tmp_path / "two.yaml"))
    assert content["networks"] == 7
    assert content["name"] == "two"
    assert content["base"]["geometry"]["shape"] == [5, 5, 4]
    assert "extends" not in content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("extends: self.yaml", "self.yaml:1: extends: it extends itself"),
        ("extends: sernn_papre", "did you mean 'sernn_paper'"),
        ("extends: absent.yaml", "there is no file"),
        ("extends: [1]", "expected a preset or a file"),
        ("", "it is empty"),
        ("- 1\n- 2", "not a single value or list"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "self.yaml").write_text(content)
    with pytest.raises(DeclarationError, match=said):
        load_file(tmp_path / "self.yaml")


def test_files_that_extend_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml")
    with pytest.raises(DeclarationError, match="it extends itself"):
        load_file(tmp_path / "a.yaml")


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    for path, said in (
        (tmp_path / "binary.yaml", "is no text"),
        (tmp_path / "absent.yaml", "there is no file"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(DeclarationError, match=said):
            load_file(path)
    with pytest.raises(UserError, match="did you mean 'sernn_demo'"):
        load_preset("sernn_dmeo")
