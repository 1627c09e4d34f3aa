"""Card templates for datasets, models and pipelines on the Hub, and the entry of a Space."""
