"""Training of the tiny world's text-to-image models, from rendered images and captions alone: no mask enters.

``python -m tiny_world.training --out DIR`` runs every stage of the bundled model's, and
``python -m tiny_world.training.transformer --out DIR`` trains a transformer over its autoencoder. Both go on
where an earlier run stopped.
"""
