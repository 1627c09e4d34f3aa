"""Charts show the whole range of a share, and what was confused with what."""

import numpy as np
import pytest
from PIL import Image

from train_segmenter.evaluation import Report, charts, run

NAMES = ("background", "dog", "cat")
CONFUSION = np.array([[90, 10, 0, 0], [20, 60, 20, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, by the names of their files."""
    found = {}
    write = charts._written

    def kept(figure, path):
        found[path.name] = figure
        return write(figure, path)

    monkeypatch.setattr(charts, "_written", kept)
    return found


def test_charts_of_a_report(drawn, tmp_path):
    charts.write_charts(Report(NAMES, CONFUSION, 3), tmp_path)
    bars, matrix = drawn[charts.CHART].axes[0], drawn[charts.CONFUSION].axes[0]
    assert bars.get_xlim() == (0, 1)
    shares = np.ma.filled(matrix.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shares[:2], [[0.9, 0.1, 0], [0.2, 0.6, 0.2]])
    assert np.isnan(shares[2]).all(), "nothing is known of a class that no reference shows"
    assert matrix.images[0].get_clim() == (0, 1)
    assert sorted(own.get_text() for own in matrix.texts) == ["0.10", "0.20", "0.20", "0.60", "0.90"]
    for name in (charts.CHART, charts.CONFUSION):
        with Image.open(tmp_path / name) as chart:
            assert chart.width > 300


def test_many_classes_are_a_picture_without_numbers(drawn, tmp_path):
    names = tuple(f"class {number}" for number in range(171))
    charts.confusion_chart(Report(names, np.eye(172, dtype=int), 3), tmp_path / "confusion.png")
    axes = drawn["confusion.png"].axes[0]
    assert not axes.texts and len(axes.get_yticklabels()) == 171


@pytest.mark.parametrize("judged", [True, False])
def test_curves_of_a_training(drawn, tmp_path, judged):
    log = [{"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0} | ({"mean_iou": 0.25} if judged else {})]
    charts.training_curves(log, tmp_path / "curves.png")
    loss, *beside = drawn["curves.png"].axes
    assert loss.get_ylim()[0] == 0 and loss.get_xlim() == (0, 20)
    assert [axes.get_ylim() for axes in beside] == ([(0, 1)] if judged else [])


def test_an_evaluation_that_cannot_be_drawn_is_refused_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "can_draw", lambda: False)
    with pytest.raises(ValueError, match=r"pip install 'diffusers-attnmask\[viz\]'"):
        run.evaluate_model("no-model", "no-data", out=tmp_path / "scores")
    assert not (tmp_path / "scores").exists()
