"""One geometry on a page, and the command that writes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium, show
from conftest import Outcome

from spatialnets.errors import UserError
from spatialnets.geometries import Connectome, Cortex, Ellipsoid, Grid, Parcellation, Ring, Sheet, Sphere
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import FloatArray, Geometry
from spatialnets.report.geometry_page import metric_checks, portrait, table_of_facts, write_geometry_page
from spatialnets.report.space import View, draw, scene, scene_html, views
from spatialnets.runs.folder import stored


@dataclass(frozen=True)
class Folded(Grid):
    """A grid with a shortcut that nobody else can take."""

    def distances(self) -> FloatArray:
        distances = super().distances()
        distances[0, 99] = distances[99, 0] = 20.0
        return distances


def test_facts_are_those_of_the_distances() -> None:
    grid = Grid()
    facts = dict(table_of_facts(grid, stored(grid)))
    assert facts["units"] == "100"
    assert facts["mean distance"] == "3.058 step"
    assert facts["longest distance"] == "6.403 step"
    assert facts["nearest neighbour"].startswith("1 step in the mean (1 to 1), coefficient of variation 0.00")
    assert facts["in a penalty"] == "1 step count as one step of the paper's grid (rescale: mean)"
    assert "surface" not in facts
    cortex = Cortex(source="fsaverage5_pial", n=40)
    facts = dict(table_of_facts(cortex, stored(cortex)))
    assert facts["surface"].startswith("10,242 vertices, 20,480 faces, ")
    assert facts["surface"].endswith("closed, Euler number 2")
    assert facts["never below a straight line"] == "yes"


def test_what_is_no_metric_is_said() -> None:
    folded = Folded()
    checks = metric_checks(StoredGeometry(folded.positions(), folded.distances(), "step"))
    assert checks["as far there as back"] == "yes"
    assert checks["no detour is shorter"].startswith("no, one by ")
    assert metric_checks(stored(Grid()))["no detour is shorter"] == "yes, in 100,000 random triples"


def test_what_is_no_metric_is_refused_with_its_three_units() -> None:
    with pytest.raises(
        UserError, match=r"Folded.distances\(\) is no metric: from unit 0 to unit 99 it is 20, but by way"
    ):
        stored(Folded())


def test_a_way_shorter_than_straight_is_said() -> None:
    egg = stored(Ellipsoid(n=20))
    short = StoredGeometry(egg.positions, 0.5 * egg.distances, "step", vertices=egg.vertices, faces=egg.faces)
    assert metric_checks(short)["never below a straight line"].startswith("no, by ")


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
def test_every_geometry_is_looked_at_from_where_it_shows(geometry: Geometry, names: list[str]) -> None:
    known = stored(geometry)
    assert [view.name for view in views(known)] == names
    picture = portrait(known, "it")
    assert len(picture.values) == len(known.positions)
    assert len(picture.figure.axes) == len(names) + 1
    assert len(picture.png) > 5000


def test_units_behind_the_surface_are_not_drawn() -> None:
    from matplotlib.figure import Figure

    ball = stored(Ellipsoid(semi_axes=(2.0, 2.0, 2.0), n=60))
    axis = Figure().add_subplot(projection="3d")
    view = View(0, 0, "from x")
    draw(axis, ball, view, "red")
    shown = axis.collections[-1]
    x = np.asarray(shown._offsets3d[0])
    assert (x > -0.6).all()  # about half of the ball faces us
    assert 20 < len(x) < 40


def test_a_scene_holds_surface_units_and_their_values() -> None:
    known = stored(Cortex(source="fsaverage5_white", n=20))
    values = {"one": np.arange(20.0), "two": np.arange(20.0) ** 2}
    figure = scene(known, values)
    kinds = [trace.type for trace in figure.data]
    assert kinds == ["mesh3d", "scatter3d"]
    assert len(figure.data[0].x) == 10_242
    np.testing.assert_array_equal(figure.data[1].marker.color, np.arange(20))
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["one", "two"]


def test_names_are_text_on_a_page_whatever_they_hold(tmp_path: Path) -> None:
    wicked = "</script><script>alert(1)</script>"
    (tmp_path / "regions.csv").write_text(f"name,x,y,z\n{wicked},0,0,0\n<b>bold</b>,10,0,0\nplain,0,10,0\n")
    geometry = Parcellation(str(tmp_path / "regions.csv"))
    known = stored(geometry)
    assert "<script>alert" not in scene_html(scene(known))
    write_geometry_page(geometry, known, wicked, tmp_path / "page")
    page = (tmp_path / "page" / "geometry.html").read_text()
    assert "<script>alert(1)" not in page
    assert "<b>bold</b>" not in page


# The command


def test_the_command_prints_a_table_and_writes_picture_and_page(command: Callable[..., Outcome]) -> None:
    done = command("geometry", "geometry=cortex", "geometry.source=fsaverage5_pial", "geometry.n=30", "--out", "here")
    assert done.code == 0, done.err
    assert "mean distance" in done.out
    assert "yes, in 100,000 random triples" in done.out
    assert "measuring" in done.err
    folder = Path("here")
    assert {path.name for path in folder.iterdir()} == {
        "geometry.html", "geometry.png", "geometry.svg", "geometry.csv",
    }  # fmt: skip
    units = pd.read_csv(folder / "geometry.csv")
    geometry = Cortex(source="fsaverage5_pial", n=30)
    np.testing.assert_allclose(units[["x_mm", "y_mm", "z_mm"]], geometry.positions(), rtol=1e-9)
    distances = geometry.distances() + np.where(np.eye(30), np.inf, 0)
    np.testing.assert_allclose(units["nearest_mm"], distances.min(axis=1), rtol=1e-9)


def test_the_command_knows_words_files_and_presets(command: Callable[..., Outcome], tmp_path: Path) -> None:
    done = command("geometry", "geometry=sphere", "geometry.n=12")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "runs").glob("geometry-sphere-*"))) == 1
    done = command("geometry", "preset=sernn_demo", "groups.l1.geometry=ring", "--out", "both")
    assert done.code == 0, done.err
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "both").iterdir()) == ["grid", "ring"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("geometry=sfere",), "no geometry is called 'sfere': did you mean 'sphere'"),
        (("geometry=sphere", "geometry.radios=2"), "geometry.radios: unknown key, did you mean 'radius'"),
        (("geometry=cortex", "geometry.source=absent.nii.gz"), "there is no file absent.nii.gz"),
        (("geometry=cortex", "geometry.source=text.nii.gz"), "text.nii.gz cannot be read as a volume; expected NIfTI"),
        (("geometry=cortex", "geometry.source=four.nii"), "has 4 dimensions (3, 3, 3, 2); expected one volume"),
        (("geometry=cortex", "geometry.hemisphere=both"), "write across: euclidean"),
        (("geometry=mesh", "geometry.source=two.npy"), "no surface that can be read"),
        ((), "Missing argument"),
    ],
)
def test_what_is_no_geometry_is_answered_in_a_line(
    words: tuple[str, ...], said: str, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "text.nii.gz").write_text("not an image")
    nibabel.Nifti1Image(np.ones((3, 3, 3, 2), dtype=np.uint8), np.eye(4)).to_filename(tmp_path / "four.nii")
    np.save(tmp_path / "two.npy", np.eye(2))
    done = command("geometry", *words)
    assert done.code == 2
    assert said in done.err.replace("\n", " ")
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
    page = write_geometry_page(geometry, stored(geometry), "it", tmp_path)["page"]
    shown = show(page, tmp_path, height=1600)
    assert shown.errors == []
    assert "gl-container" in shown.document
    assert "What it measures" in shown.document
    drawn = shown.picture[140:640, 150:850]  # the scene, below the heading
    assert drawn.std() > 0.03  # neither blank nor of one colour
    colourful = (np.ptp(drawn, axis=2) > 0.2).mean()
    assert colourful > 0.0005  # units are there
