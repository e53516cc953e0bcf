"""The page of a geometry, and the command that writes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium, show
from conftest import Outcome

from spatialnets.aliases import FloatArray
from spatialnets.errors import UserError
from spatialnets.geometries import Connectome, Cortex, Ellipsoid, Grid, Parcellation, Ring, Sheet, Sphere
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Geometry
from spatialnets.report.geometry_page import metric_checks, portrait, table_of_facts, write_geometry_page
from spatialnets.report.space import View, draw, scene, scene_html, views


@dataclass(frozen=True)
class Folded(Grid):
    """A grid in which one distance is longer than the path through other units."""

    def distances(self) -> FloatArray:
        distances = super().distances()
        distances[0, 99] = distances[99, 0] = 20.0
        return distances


def test_the_table_describes_the_distances() -> None:
    grid = Grid()
    facts = dict(table_of_facts(grid, StoredGeometry.of(grid)))
    assert facts["units"] == "100"
    assert facts["mean distance"] == "3.058 steps"
    assert facts["longest distance"] == "6.403 steps"
    assert facts["nearest neighbour"] == "1 step on average (1 to 1 step, coefficient of variation 0.00)"
    assert facts["scale"] == "1 step = 1 step of the paper's grid (rescale: mean)"
    assert "surface" not in facts
    cortex = Cortex(source="fsaverage5_pial", n=40)
    facts = dict(table_of_facts(cortex, StoredGeometry.of(cortex)))
    assert facts["surface"].startswith("10,242 vertices, 20,480 faces, ")
    assert facts["surface"].endswith("closed, Euler number 2")
    assert facts["never shorter than a straight line"] == "yes"


def test_violations_of_the_triangle_inequality_are_reported() -> None:
    folded = Folded()
    checks = metric_checks(StoredGeometry(folded.positions(), folded.distances(), "step"))
    assert checks["symmetric"] == "yes"
    assert checks["triangle inequality"].startswith("violated by up to ")
    assert metric_checks(StoredGeometry.of(Grid()))["triangle inequality"] == "holds in 100,000 random triples"


def test_distances_that_violate_the_triangle_inequality_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"Folded.distances\(\) is not a metric: units 0, \d+ and 99 violate the triangle inequality"
    ):
        StoredGeometry.of(Folded())


def test_distances_shorter_than_a_straight_line_are_reported() -> None:
    egg = StoredGeometry.of(Ellipsoid(n=20))
    short = StoredGeometry(egg.positions, 0.5 * egg.distances, "step", vertices=egg.vertices, faces=egg.faces)
    assert metric_checks(short)["never shorter than a straight line"].startswith("no: shorter by up to ")


@pytest.mark.parametrize(
    ("geometry", "names"),
    [
        (Grid(), [""]),
        (Ring(n=9), ["from above"]),
        (Sheet(), ["from above"]),
        (Cortex(source="fsaverage5_white", n=20), ["from the left", "from the right"]),
        (Cortex(source="fsaverage5_white", hemisphere="right", n=20), ["from the right", "from the left"]),
        (
            Cortex(source="fsaverage5_white", hemisphere="both", across=120.0, n=20),
            ["from the left", "from the right", "from above"],
        ),
    ],
)
def test_viewpoints_suit_the_geometry(geometry: Geometry, names: list[str]) -> None:
    stored_geometry = StoredGeometry.of(geometry)
    assert [view.name for view in views(stored_geometry)] == names
    picture = portrait(stored_geometry, "title")
    assert len(picture.values) == len(stored_geometry.positions)
    assert len(picture.figure.axes) == len(names) + 1
    assert len(picture.png) > 5000


def test_units_behind_the_surface_are_not_drawn() -> None:
    from matplotlib.figure import Figure

    ball = StoredGeometry.of(Ellipsoid(semi_axes=(2.0, 2.0, 2.0), n=60))
    axis = Figure().add_subplot(projection="3d")
    view = View(0, 0, "from x")
    draw(axis, ball, view, "red")
    shown = axis.collections[-1]
    x = np.asarray(shown._offsets3d[0])
    assert (x > -0.6).all()  # about half of the ball faces the viewer
    assert 15 < len(x) < 40  # near the outline, rounding decides whether a unit counts as hidden


def test_a_scene_contains_the_surface_the_units_and_their_values() -> None:
    stored_geometry = StoredGeometry.of(Cortex(source="fsaverage5_white", n=20))
    values = {"one": np.arange(20.0), "two": np.arange(20.0) ** 2}
    figure = scene(stored_geometry, values)
    kinds = [trace.type for trace in figure.data]
    assert kinds == ["mesh3d", "scatter3d"]
    assert len(figure.data[0].x) == 10_242
    np.testing.assert_array_equal(figure.data[1].marker.color, np.arange(20))
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["one", "two"]


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    malicious = "</script><script>alert(1)</script>"
    (tmp_path / "regions.csv").write_text(f"name,x,y,z\n{malicious},0,0,0\n<b>bold</b>,10,0,0\nplain,0,10,0\n")
    geometry = Parcellation(str(tmp_path / "regions.csv"))
    stored_geometry = StoredGeometry.of(geometry)
    assert "<script>alert" not in scene_html(scene(stored_geometry))
    write_geometry_page(geometry, stored_geometry, malicious, tmp_path / "page")
    page = (tmp_path / "page" / "geometry.html").read_text()
    assert "<script>alert(1)" not in page
    assert "<b>bold</b>" not in page


# The command


def test_the_command_prints_a_table_and_writes_figure_and_page(command: Callable[..., Outcome]) -> None:
    done = command("geometry", "geometry=cortex", "geometry.source=fsaverage5_pial", "geometry.n=30", "--out", "out")
    assert done.code == 0, done.err
    assert "mean distance" in done.out
    assert "holds in 100,000 random triples" in done.out
    assert "measuring" in done.err
    folder = Path("out")
    assert {path.name for path in folder.iterdir()} == {
        "geometry.html", "geometry.png", "geometry.svg", "geometry.csv",
    }  # fmt: skip
    units = pd.read_csv(folder / "geometry.csv")
    geometry = Cortex(source="fsaverage5_pial", n=30)
    np.testing.assert_allclose(units[["x_mm", "y_mm", "z_mm"]], geometry.positions(), rtol=1e-9)
    distances = geometry.distances() + np.where(np.eye(30), np.inf, 0)
    np.testing.assert_allclose(units["nearest_mm"], distances.min(axis=1), rtol=1e-9)


def test_the_command_accepts_overrides_and_presets(command: Callable[..., Outcome], tmp_path: Path) -> None:
    done = command("geometry", "geometry=sphere", "geometry.n=12")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "runs").glob("geometry-sphere-*"))) == 1
    done = command("geometry", "preset=sernn_demo", "groups.l1.geometry=ring", "--out", "both")
    assert done.code == 0, done.err
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "both").iterdir()) == ["grid", "ring"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("geometry=sfere",), "there is no geometry 'sfere': did you mean 'sphere'"),
        (("geometry=sphere", "geometry.radios=2"), "geometry.radios: unknown key: did you mean 'radius'"),
        (("geometry=cortex", "geometry.source=absent.nii.gz"), "there is no file absent.nii.gz"),
        (("geometry=cortex", "geometry.source=text.nii.gz"), "text.nii.gz cannot be read as a volume; expected NIfTI"),
        (("geometry=cortex", "geometry.source=four.nii"), "has 4 dimensions (3, 3, 3, 2); expected one volume"),
        (("geometry=cortex", "geometry.hemisphere=both"), "write across: euclidean"),
        (("geometry=mesh", "geometry.source=two.npy"), "not a supported surface file"),
        ((), "Missing argument"),
    ],
)
def test_the_command_reports_an_invalid_geometry_in_one_line(
    overrides: tuple[str, ...], message: str, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "text.nii.gz").write_text("not an image")
    nibabel.Nifti1Image(np.ones((3, 3, 3, 2), dtype=np.uint8), np.eye(4)).to_filename(tmp_path / "four.nii")
    np.save(tmp_path / "two.npy", np.eye(2))
    done = command("geometry", *overrides)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()


# In a browser


@needs_chromium
@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(Cortex(source="fsaverage5_pial", n=60), id="cortex", marks=pytest.mark.slow),
        pytest.param(Sphere(n=50), id="sphere"),
        pytest.param(
            Connectome([[0, 30, 90], [30, 0, 40], [90, 0, 0]], names=("V1", "V2", "MT")),  # type: ignore[arg-type]
            id="connectome",
        ),
    ],
)
def test_the_page_shows_in_a_browser(geometry: Geometry, tmp_path: Path) -> None:
    page = write_geometry_page(geometry, StoredGeometry.of(geometry), "it", tmp_path)["page"]
    shown = show(page, tmp_path, height=1600)
    assert shown.errors == []
    assert "gl-container" in shown.document
    assert "Properties" in shown.document
    drawn = shown.picture[140:640, 150:850]  # the scene, below the heading
    assert drawn.std() > 0.03  # not blank
    colourful = (np.ptp(drawn, axis=2) > 0.2).mean()
    assert colourful > 0.0005  # coloured units are visible
