"""Exported files give the model's own logits, for any batch size."""

import numpy as np
import pytest
import torch

from tests.train_segmenter.shapes import small_mask2former, small_model
from train_segmenter.export import export
from train_segmenter.models import mask2former

KINDS = {"smp": small_model, "mask2former": small_mask2former}


@pytest.fixture(scope="module", params=["smp", pytest.param("mask2former", marks=pytest.mark.slow)])
def model(request):
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask2former, "COMBINED", 32 * 32)  # so that these pictures are large ones
        yield KINDS[request.param]().train()


def logits(model, images):
    with torch.no_grad():
        expected = model.eval()(images)
    model.train()
    return expected


def test_torch_export(model, tmp_path):
    path = export(model, tmp_path / "model.pt2", 40, 64)
    assert model.training
    program = torch.export.load(path).module()
    for batch in (1, 3):
        images = torch.rand(batch, 3, 40, 64)
        torch.testing.assert_close(program(images), logits(model, images), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_onnx(model, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = export(model, tmp_path / "model.onnx", 40, 64)
    session = runtime.InferenceSession(str(path))
    for batch in (1, 3):
        images = torch.rand(batch, 3, 40, 64)
        (theirs,) = session.run(None, {"images": images.numpy()})
        np.testing.assert_allclose(theirs, logits(model, images).numpy(), rtol=1e-3, atol=1e-3)


def test_other_formats_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"\.pt2 or \.onnx"):
        export(model, tmp_path / "model.trt", 32, 32)
