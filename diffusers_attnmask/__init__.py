"""Attention masks from diffusers pipelines."""
