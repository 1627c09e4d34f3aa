import argparse
import shutil
from pathlib import Path

from tiny_world.training.autoencoder import train_autoencoder
from tiny_world.training.bundle import bundle
from tiny_world.training.denoiser import train_denoiser

STAGES = ("autoencoder", "denoiser", "bundle")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.training", description="Train the bundled model."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of checkpoints and of the finished pipeline"
    )
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    parser.add_argument(
        "--start-from", type=Path, help="pipeline folder to begin with: its autoencoder is kept"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.start_from and not (options.out / "vae").exists():
        shutil.copytree(options.start_from / "vae", options.out / "vae")
    stages = STAGES if options.stage == "all" else (options.stage,)
    if "autoencoder" in stages and not options.start_from:
        train_autoencoder(options.out)
    if "denoiser" in stages:
        train_denoiser(options.out, start_from=options.start_from)
    if "bundle" in stages:
        bundle(options.out)


if __name__ == "__main__":
    main()
