"""Prompts for a dataset: templates, captions and what a language model writes, balanced over the classes of a
vocabulary.
"""

from dataset_builder.prompts.item import PromptItem
from dataset_builder.prompts.options import CaptionOptions, PromptOptions, RetrievalOptions, TemplateOptions
from dataset_builder.prompts.plan import PromptPlan, PromptReport, prompt_plan

__all__ = [
    "CaptionOptions",
    "PromptItem",
    "PromptOptions",
    "PromptPlan",
    "PromptReport",
    "RetrievalOptions",
    "TemplateOptions",
    "prompt_plan",
]
