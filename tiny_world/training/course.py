"""What the trainings of both denoisers share: a plan of steps, and the state that goes through them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from diffusers_attnmask.ground.options import NotNegative, Seed, Share, Whole, options
from tiny_world.training import checkpoint, parallel
from tiny_world.training.batches import Phase
from tiny_world.training.optimizer import ENDS, optimizers
from tiny_world.training.schedule import learning_rate

Model = TypeVar("Model", bound=torch.nn.Module)


@options
class Course:
    """Steps in phases, and the learning rate at each of them."""

    phases: tuple[Phase, ...]
    learning_rate: NotNegative
    rests: tuple[Whole, ...] = ()  # steps by which the rate has come down before its last descent
    weight_decay: NotNegative = 0.01
    average: Share = 0.997  # the moving average of the weights is what is sampled and shipped
    seed: Seed = 0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def rate_at(self, step: int) -> float:
        end = next((rest for rest in self.rests if step < rest < self.steps), self.steps)
        return learning_rate(step, end, self.learning_rate)

    def phase_at(self, step: int) -> Phase:
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise IndexError(f"the recipe has {self.steps} steps")

    def draws(self, step: int) -> torch.Generator:
        """The step's own random numbers."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + step)


@dataclass(eq=False)
class Training(Generic[Model]):
    """All that changes while a model learns; `done` counts the steps."""

    model: Model
    average: AveragedModel
    optimizers: tuple[torch.optim.Optimizer, ...]
    done: int = 0

    @classmethod
    def begin(cls, model: Model, course: Course, ends: tuple[str, ...] = ENDS) -> Training[Model]:
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(course.average))
        return cls(model, average, optimizers(model, course.learning_rate, course.weight_decay, ends))

    @property
    def averaged(self) -> Model:
        """The model with the moving average of its weights."""
        return cast(Model, self.average.module)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not path.exists():
            return
        state = checkpoint.load(path)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.done = state["step"]

    def save(self, path: Path) -> None:
        states = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        checkpoint.save(path, {**states, "step": self.done})

    def learn(self, loss: torch.Tensor, rate: float) -> None:
        """One step down the gradient of a loss, averaged over the processes."""
        self.model.zero_grad()
        loss.backward()
        parallel.average_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.average.update_parameters(self.model)
        self.done += 1
