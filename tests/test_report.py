"""Reports of synthetic runs, whose results are known."""

import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from browser import needs_chromium, show
from matplotlib.backends.backend_agg import FigureCanvasAgg

from spatialnets import Experiment, Run, RunError
from spatialnets.analyses import PassRate
from spatialnets.cli.run import print_scorecard
from spatialnets.report.citations import bibliography, entries, keys_of
from spatialnets.report.coding import economy, explained_variance, spatial_coding
from spatialnets.report.example import example_networks, networks_in_space, weight_against_distance
from spatialnets.report.features import features
from spatialnets.report.figures import MARKERS, PALETTE, colors_of, curves, strengths
from spatialnets.report.measured import at_scored_epoch, metrics_table, pass_accuracy, passing_networks
from spatialnets.report.page import write_report
from spatialnets.report.scorecard import scorecard
from spatialnets.runs.folder import open_or_create
from spatialnets.training.shard import SCORES

NETWORKS = 6
LAST = 3
SMALL = (
    f"networks={NETWORKS}",
    f"training.epochs={LAST}",
    "geometry.shape=[3, 2, 2]",
    "analyses=[wiring, modularity, pass_rate]",
)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def synthetic_run(
    folder: Path,
    *words: str,
    experiment: Experiment | None = None,
    accuracy: float | tuple[float, ...] = 1.0,
    diverged: dict[int, int] | None = None,
    skip: tuple[int, ...] = (),
) -> tuple[Run, Experiment]:
    """Write a run whose weights fall with distance in `sernn` only.

    `accuracy` is reached from epoch 1 on, by all networks or by each; `diverged` gives the epoch at which a
    network of each group diverges; shards in `skip` are missing.
    """
    if experiment is None:
        experiment = Experiment.from_preset("sernn_paper").override(*SMALL, *words)
    with open_or_create(experiment, folder, lambda: 4) as (run, shards):
        for record, shard in zip(run.shards, shards, strict=True):
            if record.index in skip:
                continue
            geometry, count = run.geometry(shard.geometry), len(shard.networks)
            units = len(geometry.positions)
            generator = np.random.default_rng([record.index, 7])
            weights = generator.normal(size=(count, LAST + 1, units, units))
            if shard.group == "sernn":
                near = np.exp(-geometry.distances)
                for epoch in range(LAST + 1):
                    weights[:, epoch] *= (1 - epoch / LAST) + epoch / LAST * near
            reached = np.broadcast_to(accuracy, NETWORKS)[list(shard.networks)]
            scores = {name: np.repeat(reached[:, None], LAST + 1, axis=1) for name in SCORES}
            scores["validation_accuracy"][:, 0] = 0.25
            reasons = [""] * count
            for place, network in enumerate(shard.networks):
                if network in (diverged or {}):
                    lost = (diverged or {})[network]
                    weights[place, lost:] = np.nan
                    for values in scores.values():
                        values[place, lost:] = np.nan
                    reasons[place] = f"loss is nan & <not> a number at epoch {lost}"
            status = ["diverged" if reason else "trained" for reason in reasons]
            strength = np.broadcast_to(np.array(getattr(shard.regularizer, "strength", np.nan)), (count,))
            dataset = xr.Dataset(
                {
                    "weights": (("network", "epoch", "pre", "post"), weights.astype(np.float32)),
                    **{name: (("network", "epoch"), values) for name, values in scores.items()},
                    "status": ("network", np.array(status, dtype=object)),
                    "reason": ("network", np.array(reasons, dtype=object)),
                    "distances": (("pre", "post"), geometry.distances),
                },
                {
                    "network": list(shard.networks),
                    "epoch": np.arange(LAST + 1),
                    "strength": ("network", strength.copy()),
                    "seed": ("network", list(shard.seeds)),
                    "position": (("unit", "xyz"), geometry.positions),
                },
                {"group": shard.group, "length_unit": geometry.length_unit},
            )
            record.write(dataset)
    return run, experiment


class Page(HTMLParser):
    """Parser of a page: collects its text and tags, and asserts that they close in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Experiment, Page]:
    accuracy = (1.0, 0.95, 1.0, 0.9, 0.6, 1.0)
    run, experiment = synthetic_run(tmp_path_factory.mktemp("runs") / "run", accuracy=accuracy, diverged={5: 2})
    return run, experiment, Page(write_report(run, experiment))


# Files


def test_a_report_is_a_page_with_figures_and_tables_in_the_same_folder(
    reported: tuple[Run, Experiment, Page],
) -> None:
    folder = reported[0].folder
    for name in ("report.html", "metrics.csv", "scorecard.csv", "references.bib"):
        assert (folder / name).stat().st_size > 0
    drawn = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    assert len(drawn) >= 4
    for ending, start in (("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("csv", b"")):
        assert sorted(path.stem for path in (folder / "figures").glob(f"*.{ending}")) == drawn
        for path in (folder / "figures").glob(f"*.{ending}"):
            assert path.read_bytes().startswith(start)
    assert not list(folder.rglob("*.tmp"))


def test_metrics_have_one_row_for_every_network_and_epoch(reported: tuple[Run, Experiment, Page]) -> None:
    run = reported[0]
    metrics = pd.read_csv(run.folder / "metrics.csv")
    assert len(metrics) == 2 * NETWORKS * (LAST + 1)
    assert not metrics.duplicated(["group", "network", "epoch"]).any()
    assert {"seed", "strength", *SCORES, "total_weight", "modularity", "passed"} <= set(metrics.columns)
    for group in run.groups:
        rows = metrics[metrics["group"] == group].set_index(["network", "epoch"])["total_weight"]
        weights = np.abs(run[group]["weights"].to_numpy().astype(float)).sum(axis=(-2, -1))
        # The text keeps every digit; the sums of 144 terms in float64 differ by their order.
        np.testing.assert_allclose(rows.to_numpy(), weights.ravel(), rtol=1e-12)


@pytest.mark.slow
def test_a_report_written_twice_is_identical(reported: tuple[Run, Experiment, Page]) -> None:
    run, experiment, _ = reported
    kept = [
        run.folder / "report.html",
        *run.folder.glob("*.csv"),
        *(run.folder / "figures").iterdir(),
    ]
    before = {path: path.read_bytes() for path in kept}
    write_report(run, experiment)
    assert [path for path in kept if path.read_bytes() != before[path]] == []


# The page


def test_the_page_is_complete_and_loads_nothing(reported: tuple[Run, Experiment, Page]) -> None:
    page = reported[2]
    assert page.open == []
    assert page.all("link") == page.all("script") == page.all("iframe") == []
    assert len(page.all("img")) >= 4
    for image in page.all("img"):
        assert (image["src"] or "").startswith("data:image/png;base64,")
        assert image["alt"]
    source = (reported[0].folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in source
    assert "url(" not in source
    assert any("viewport" in (meta.get("name") or "") for meta in page.all("meta"))


def test_the_page_shows_which_networks_passed_and_which_diverged(reported: tuple[Run, Experiment, Page]) -> None:
    text = " ".join(reported[2].text.split())
    assert "sernn (4 of 6 pass)" in " ".join(_legends(reported[0], reported[1]))
    assert "loss is nan & <not> a number at epoch 2" in text  # escaped in the source, so that a reader sees it
    assert "not finished" not in text


def _legends(run: Run, experiment: Experiment) -> list[str]:
    figure = curves(metrics_table(run, experiment.analyses), "step").figure
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_text_of_the_user_is_escaped(tmp_path: Path) -> None:
    words = ("description=<script>alert(1)</script> & more", "analyses=[wiring]")
    run, experiment = synthetic_run(tmp_path / "run", *words)
    page = Page(write_report(run, experiment))
    assert page.all("script") == []
    assert "<script>alert(1)</script> & more" in page.text


def test_the_report_of_an_unfinished_run_counts_its_networks(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(1,))
    assert not run.finished
    trained = sum(len(shard.networks) for shard in run.shards if shard.done)
    text = " ".join(Page(write_report(run, experiment)).text.split())
    assert f"{trained} of {2 * NETWORKS} networks" in text


def test_a_group_without_trained_networks_is_shown_as_empty(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(2, 3))
    assert not any(shard.done for shard in run.shards if shard.group == "l1")
    text = " ".join(Page(write_report(run, experiment)).text.split())
    assert "0 of 6" in text


def test_a_run_without_trained_networks_has_no_report(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(0, 1, 2, 3))
    with pytest.raises(RunError, match="no network has been computed yet"):
        write_report(run, experiment)


def test_a_stored_analysis_of_other_networks_is_not_used(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(1, 2, 3))  # four networks of sernn
    analyses = {"wiring": experiment.analyses["wiring"]}
    metrics_table(run, analyses)
    run.shards[0].path.unlink()
    run, _ = synthetic_run(tmp_path / "run", skip=(0, 1, 3))  # four networks of l1
    weights = np.abs(run["l1"]["weights"].to_numpy().astype(float)).sum(axis=(-2, -1))
    np.testing.assert_allclose(  # the order of summation may differ
        metrics_table(run, analyses)["total_weight"], weights, rtol=1e-12
    )


@pytest.mark.slow
def test_an_analysis_is_computed_once_and_again_when_networks_were_added(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(1,))
    write_report(run, experiment)
    stored = run.folder / "analyses" / "wiring.nc"
    before = stored.stat().st_mtime_ns
    write_report(run, experiment)
    assert stored.stat().st_mtime_ns == before
    run, experiment = synthetic_run(tmp_path / "run")
    write_report(run, experiment)
    assert run.measurement("wiring").sizes["network"] == 2 * NETWORKS


def test_a_run_with_one_group_has_no_scorecard(tmp_path: Path) -> None:
    declaration = Experiment.from_preset("sernn_paper").override(*SMALL)
    blocks = yaml.safe_load(declaration.to_yaml())
    blocks["groups"] = {"cortex": blocks["groups"]["sernn"]}
    run, experiment = synthetic_run(tmp_path / "run", experiment=Experiment.from_declaration(blocks))
    page = Page(write_report(run, experiment))
    assert run.groups == ("cortex",)
    assert "does not contain both" in page.text
    assert pd.read_csv(run.folder / "metrics.csv")["group"].unique().tolist() == ["cortex"]


@pytest.mark.slow
def test_ten_groups_are_all_listed_and_controls_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = Experiment.from_preset("sernn_controls").override(*SMALL)
    run, experiment = synthetic_run(tmp_path / "run", experiment=experiment, accuracy=0.5)
    page = Page(write_report(run, experiment))
    assert len(run.groups) == 10
    assert page.text.count("one_choice") == 5  # default, hard, shuffled labels, two other delays
    print_scorecard(run.folder)
    assert "distance_only" in capsys.readouterr().out
    figure = curves(metrics_table(run, experiment.analyses), "step").figure
    canvas: Any = FigureCanvasAgg(figure)
    figure.draw(canvas.get_renderer())
    legend = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.x1  # a legend that is too wide is cut off


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.5, (0.5, 1.0, 0.5, 0.5, 0.5, 0.5)])
def test_a_run_in_which_hardly_any_network_learns_has_a_report(
    tmp_path: Path, accuracy: float | tuple[float, ...]
) -> None:
    run, experiment = synthetic_run(tmp_path / "run", accuracy=accuracy)
    page = Page(write_report(run, experiment))
    assert "too few networks" in page.text
    if accuracy == 0.5:
        assert all("none passes" in legend for legend in _legends(run, experiment))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("geometry=sphere", "geometry.n=12"),
        ("geometry.shape=[4, 3]",),
        ("geometry.shape=[12]",),
        ("regularizer.strength=0.0",),
        ("analyses=[]",),
        ("analyses=[pass_rate]",),
        ("networks=1",),
    ],
    ids=" ".join,
)
def test_every_run_has_a_report(tmp_path: Path, words: tuple[str, ...]) -> None:
    run, experiment = synthetic_run(tmp_path / "run", *words)
    assert Page(write_report(run, experiment)).open == []


# Figures


def test_curves_show_mean_and_two_standard_errors_of_passing_networks(
    reported: tuple[Run, Experiment, Page],
) -> None:
    run, experiment, _ = reported
    table = metrics_table(run, experiment.analyses)
    picture = curves(table, "step")
    shown = picture.values.set_index(["measure", "group", "epoch"]).sort_index()
    for group in run.groups:
        chosen = (table["group"] == group).to_numpy() & passing_networks(table)
        assert chosen.sum() == 4
        values = table["modularity"].to_numpy()[chosen]
        rows = shown.loc["modularity", group]
        np.testing.assert_allclose(rows["mean"], values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(rows["two_standard_errors"], 2 * values.std(axis=0, ddof=1) / np.sqrt(4), rtol=1e-10)
        assert (rows["n"] == 4).all()
    drawn = picture.figure.axes[0].lines[0]
    np.testing.assert_array_equal(drawn.get_ydata(), shown.loc["validation_accuracy", run.groups[0]]["mean"].to_numpy())
    stored = pd.read_csv(run.folder / "figures" / f"{picture.name}.csv")
    pd.testing.assert_frame_equal(stored, picture.values, check_dtype=False, rtol=1e-12)


def test_the_example_is_the_passing_network_of_median_strength(
    reported: tuple[Run, Experiment, Page],
) -> None:
    run, experiment, _ = reported
    table = metrics_table(run, experiment.analyses)
    chosen = {example.group: example for example in example_networks(run, table)}
    assert set(chosen) == {"sernn", "l1"}
    for group, example in chosen.items():
        assert example.passes
        assert example.network in (1, 2)  # the middle of 0, 1, 2 and 3, which pass
        data = run[group].sel(network=example.network, epoch=LAST)
        np.testing.assert_array_equal(example.weights, np.abs(data["weights"].to_numpy().astype(float)))
        assert example.strength == float(data["strength"])


def test_the_strongest_connections_are_drawn(reported: tuple[Run, Experiment, Page]) -> None:
    run, experiment, _ = reported
    examples = example_networks(run, metrics_table(run, experiment.analyses))
    values = networks_in_space(examples).values
    for example in examples:
        rows = values[values["group"] == example.group]
        assert (rows["pre"] != rows["post"]).all()
        off_diagonal = example.weights[~np.eye(len(example.weights), dtype=bool)]
        strongest = np.sort(off_diagonal)[::-1][: len(rows)]
        np.testing.assert_array_equal(np.sort(rows["weight"])[::-1], strongest)
        np.testing.assert_array_equal(rows["distance"], example.geometry.distances[rows["pre"], rows["post"]])


def test_the_correlation_in_a_title_is_that_of_the_metrics(
    reported: tuple[Run, Experiment, Page],
) -> None:
    run, experiment, _ = reported
    table = metrics_table(run, experiment.analyses)
    examples = example_networks(run, table)
    picture = weight_against_distance(examples)
    for axis, example in zip(picture.figure.axes, examples, strict=True):
        place = np.flatnonzero(((table["group"] == example.group) & (table["network"] == example.network)).to_numpy())[
            0
        ]
        expected = float(table["weight_distance_correlation"][place].sel(epoch=example.epoch))
        assert axis.get_title() == f"{example.group}: corr(W, D) = {expected:z.2f}"
    sernn = table["weight_distance_correlation"].sel(epoch=LAST)[(table["group"] == "sernn").to_numpy()]
    assert float(sernn.mean()) < -0.2  # as constructed


def test_the_pass_accuracy_is_that_of_the_analysis_pass_rate(tmp_path: Path) -> None:
    run, experiment = synthetic_run(
        tmp_path / "run", "analyses=[wiring, {kind: pass_rate, threshold: 0.99}]", accuracy=0.95
    )
    table = metrics_table(run, experiment.analyses)
    assert pass_accuracy(table) == 0.99
    assert passing_networks(table).sum() < passing_networks(table.drop_vars("passed")).sum()
    assert "is at least 0.99" in Page(write_report(run, experiment)).text


def test_strengths_show_every_network(reported: tuple[Run, Experiment, Page]) -> None:
    run, experiment, _ = reported
    table = metrics_table(run, experiment.analyses)
    values = strengths(table).values
    assert len(values) == 2 * NETWORKS
    np.testing.assert_array_equal(values["passed"], passing_networks(table))
    assert values.groupby("group")["strength_percent"].max().tolist() == [100.0, 100.0]


def test_groups_have_fixed_and_distinct_styles(reported: tuple[Run, Experiment, Page]) -> None:
    assert colors_of(["sernn", "l1"]) == {"sernn": PALETTE[0], "l1": PALETTE[1]}
    assert len(set(PALETTE)) == len(PALETTE)
    styles = [(PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]) for place in range(40)]
    assert len(set(styles)) == 40


# Citations


def test_every_entry_has_author_title_year_and_link() -> None:
    for key, text in entries().items():
        assert text.startswith("@")
        assert text.count("{") == text.count("}"), key
        for field in ("author", "title", "year"):
            assert f"{field} = {{" in text, key
        if key != "spatialnets":
            assert any(f"{place} = {{" in text for place in ("doi", "eprint", "url")), key


def test_an_experiment_cites_the_references_of_its_components() -> None:
    experiment = Experiment.from_preset("sernn_paper")
    keys = keys_of(experiment)
    assert {"spatialnets", "achterberg2023", "kingma2015", "saxe2014", "estrada2008"} <= set(keys)
    assert "gonzalez2010" not in keys
    assert "gonzalez2010" in keys_of(Experiment.from_preset("sernn_sphere"))
    assert len(keys) == len(set(keys))
    text = bibliography(experiment)
    assert text.count("\n@") + text.startswith("@") == len(keys)
    assert "10.1038/s42256-023-00748-9" in text


def test_every_installed_component_cites_entries_of_the_list() -> None:
    from spatialnets import registry

    bibtex = entries()
    for family in registry.FAMILIES:
        for name in registry.names(family):
            component = registry.load(family, name)
            if component.__module__.startswith("spatialnets."):
                assert set(component.references) <= set(bibtex), name


def test_the_page_and_the_bibliography_list_the_same_works(reported: tuple[Run, Experiment, Page]) -> None:
    run, experiment, page = reported
    stored = (run.folder / "references.bib").read_text(encoding="utf-8")
    for key in keys_of(experiment):
        assert f"{{{key}," in stored
    links = [anchor["href"] for anchor in page.all("a")]
    assert "https://doi.org/10.1038/s42256-023-00748-9" in links


@pytest.mark.slow
def test_networks_on_a_surface_have_interactive_scenes(tmp_path: Path) -> None:
    words = ("geometry={kind: cortex, source: fsaverage5_white, n: 12}", "analyses=[wiring]")
    experiment = Experiment.from_preset("sernn_paper").override(
        *(word for word in SMALL if "shape" not in word), *words
    )
    run, _ = synthetic_run(tmp_path / "run", experiment=experiment)
    page = Page(write_report(run, experiment))
    assert page.open == []
    assert len([attributes for attributes in page.all("div") if attributes.get("class") == "scene"]) == 2
    assert not [attributes for attributes in page.all("script") if "src" in attributes]
    text = (run.folder / "report.html").read_text()
    assert text.count("plotly.js v") == 1  # one script for all scenes
    assert "In-strength" in text
    assert "Interactive 3-D view" in page.text
    assert "One step" in page.text
    steps = run.geometry_of("sernn").steps_per_unit
    assert f"{1 / steps:.3g} mm" in page.text


@pytest.mark.slow
@needs_chromium
def test_the_report_of_a_cortex_shows_in_a_browser(tmp_path: Path) -> None:
    words = ("geometry={kind: cortex, source: fsaverage5_white, n: 12}", "analyses=[wiring]")
    experiment = Experiment.from_preset("sernn_paper").override(
        *(word for word in SMALL if "shape" not in word), *words
    )
    run, _ = synthetic_run(tmp_path / "run", experiment=experiment)
    shown = show(write_report(run, experiment), tmp_path, height=5000)
    assert shown.errors == []
    assert shown.document.count("gl-container") >= 2
    assert shown.picture.std() > 0.05


def test_a_shard_that_is_finished_during_an_analysis_is_left_for_the_next_report(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run", skip=(0,))
    complete, _ = synthetic_run(tmp_path / "whole")

    @dataclass(frozen=True)
    class Late(PassRate):
        """Pass rate, measured after another process has finished a shard."""

        def measure(self, run: Run) -> xr.Dataset:
            shutil.copy(complete.shards[0].path, run.shards[0].path)
            return super().measure(run)

    table = metrics_table(run, {"late": Late()})
    assert table.sizes["network"] == sum(len(shard.networks) for shard in run.shards[1:])
    assert table["passed"].notnull().all()
    assert metrics_table(run, experiment.analyses).sizes["network"] == 2 * NETWORKS


def by_window(table: xr.Dataset, delayed: int = 0) -> dict[str, xr.Dataset]:
    """Return measurements of selectivity, spatial coding and energy, with random values for every network."""
    networks, generator = table.sizes["network"], np.random.default_rng(0)
    at = {
        "network": table["network"].to_numpy(),
        "group": ("network", table["group"].to_numpy()),
        "epoch": [LAST],
        "window": np.arange(10),
        "window_start": ("window", 5 * np.arange(10) + delayed),
    }
    over, codes = ("network", "epoch", "window"), ["goal", "choices"]
    values = generator.uniform(size=(networks, 1, 10, 2))
    return {
        "selectivity": xr.Dataset(
            {
                "selectivity_correlation": (over, values[..., 0]),
                "mean_explained_variance": ((*over, "predictor"), values),
            },
            {**at, "predictor": codes},
        ),
        "spatial_coding": xr.Dataset(
            {"p": ((*over, "code"), values), "p_top": ((*over, "code"), values)}, {**at, "code": codes}
        ),
        "energy": xr.Dataset(
            {
                "activity": ((*over[:2], "unit"), values[..., 0]),
                "mean_activity": (over[:2], values[..., 0, 0]),
                "mean_weight": (over[:2], values[..., 0, 1]),
            },
            at,
        ),
    }


@pytest.mark.parametrize("learned", [0, 1, 2, NETWORKS])
def test_figures_of_function_work_with_any_number_of_networks(tmp_path: Path, learned: int) -> None:
    accuracy = tuple(1.0 if number < learned else 0.5 for number in range(NETWORKS))
    run, experiment = synthetic_run(tmp_path / "run", accuracy=accuracy)
    table = metrics_table(run, experiment.analyses)
    stored = by_window(table)
    stored["spatial_coding"]["p"][:, :, 6, 1] = np.nan  # no units with this code
    pictures = [explained_variance(table, stored), spatial_coding(table, stored), economy(table, stored)]
    assert all((picture is None) == (learned == 0) for picture in pictures)
    assert all("nan" not in (picture.caption if picture else "") for picture in pictures)


def test_other_windows_are_not_taken_for_those_of_the_paper(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run")
    table = metrics_table(run, experiment.analyses)
    stored = by_window(table, delayed=5)
    assert spatial_coding(table, stored) is None
    assert economy(table, stored) is None
    assert features(table, stored).columns.tolist() == features(table, {}).columns.tolist()
    assert not [score for score in scorecard(table, stored) if score.figure in ("4e", "S12", "5a", "6c")]
    assert [score for score in scorecard(table, by_window(table)) if score.figure == "4e"]


def test_groups_trained_for_different_times_are_scored_at_their_last_epoch(tmp_path: Path) -> None:
    run, experiment = synthetic_run(tmp_path / "run")
    table = metrics_table(run, experiment.analyses)
    shorter = table.copy(deep=True)
    l1 = (table["group"] == "l1").to_numpy()
    for name in shorter.data_vars:
        if shorter[name].dtype.kind == "f":
            shorter[name][l1, LAST:] = np.nan
    np.testing.assert_array_equal(passing_networks(shorter), passing_networks(table))
    expected = np.where(l1, table["modularity"].sel(epoch=LAST - 1), table["modularity"].sel(epoch=LAST))
    np.testing.assert_array_equal(at_scored_epoch(shorter, "modularity"), expected)
    assert {score.figure for score in scorecard(shorter)} == {score.figure for score in scorecard(table)}
