import argparse
from pathlib import Path

from tiny_world.training.autoencoder import train_autoencoder
from tiny_world.training.bundle import bundle
from tiny_world.training.denoiser import train_denoiser

STAGES = {"autoencoder": train_autoencoder, "denoiser": train_denoiser, "bundle": bundle}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.training", description="Train the bundled model."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of checkpoints and of the finished pipeline"
    )
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, stage in STAGES.items():
        if options.stage in (name, "all"):
            stage(options.out)
