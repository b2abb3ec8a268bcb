"""Paths of this package's metrics, for `evaluate.load` and `evaluate.evaluator`; no connection is needed.

metric = evaluate.load(EXACT_ENTITIES)
evaluate.evaluator("token-classification").compute(
    model_or_pipeline="folder/of/model",
    data=dataset,  # one character per token; columns tokens and ner_tags
    metric=EXACT_ENTITIES,
    join_by="",
)
"""

from pathlib import Path

EXACT_ENTITIES = str(Path(__file__).with_name("exact_entities.py"))
CLASSIFICATION_SCORES = str(Path(__file__).with_name("classification_scores.py"))

__all__ = ["CLASSIFICATION_SCORES", "EXACT_ENTITIES"]
