"""Whether a model has parameters that no pass uses, which several processes must know beforehand."""

from __future__ import annotations

import torch

from train_segmenter.models.base import Segmenter


def has_unused_parameters(model: Segmenter, side: int) -> bool:
    """Told by one pass over an image of that side, which leaves the model and its gradients as they were.

    Such are the heads of EfficientNet and of timm's transformers, a Swin's last norm, and the stages that
    PSPNet or a small `encoder_depth` leave out. To look for them costs time at every step, and not to look
    where there are some is an error.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    images = torch.rand(1, 3, side, side, device=model.mean.device)
    masks = torch.zeros(1, side, side, dtype=torch.long, device=model.mean.device)
    was_training = model.training
    model.eval()  # one image has no batch statistics
    loss = model.training_loss(images, masks, lambda logits, _: logits.sum())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    model.train(was_training)
    return any(gradient is None for gradient in gradients)
