"""The noise schedule of masks: that of the text-to-image checkpoint, sampled so that few steps suffice."""

from __future__ import annotations

from diffusers import DDIMScheduler, SchedulerMixin

PREDICTIONS = ("epsilon", "v_prediction")


def mask_scheduler(scheduler: SchedulerMixin, prediction: str | None = None) -> DDIMScheduler:
    """DDIM on the noise schedule of another scheduler, with the last timestep first in any number of steps.

    prediction: what the UNet learns to predict, by default what it does already.
    """
    prediction = prediction or scheduler.config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction is one of {', '.join(PREDICTIONS)}, not {prediction!r}")
    if prediction == "epsilon" and scheduler.config.get("rescale_betas_zero_snr"):
        raise ValueError(
            "prediction 'epsilon' says nothing at the last timestep of this checkpoint, which is noise "
            "alone: choose 'v_prediction'"
        )
    return DDIMScheduler.from_config(
        scheduler.config, prediction_type=prediction, timestep_spacing="trailing", clip_sample=False
    )
