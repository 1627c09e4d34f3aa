"""Card templates for datasets, models and pipelines on the Hub."""
