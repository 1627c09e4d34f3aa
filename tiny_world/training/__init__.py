"""Training of the bundled text-to-image model, from rendered images and captions alone: no mask enters.

``python -m tiny_world.training --out DIR`` runs every stage, resuming where an earlier run stopped.
"""
