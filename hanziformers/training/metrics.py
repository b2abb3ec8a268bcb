"""Paths of this package's metrics, for `evaluate.load` and `evaluate.evaluator`; no connection is needed.

    metric = evaluate.load(EXACT_ENTITIES)
    evaluate.evaluator("token-classification").compute(
        model_or_pipeline="folder/of/model", data=dataset, metric=EXACT_ENTITIES, join_by=""
    )

What evaluate 0.4.6 leaves to be minded:

- An evaluator takes a folder, or a model together with `tokenizer=`, but with transformers 5 no pipeline: it asks for a
  class that transformers no longer has (AttributeError: TFPreTrainedModel).
- The evaluator of token classification scores the first token of each word of the data, so data of one character per
  word are scored as a whole. A sentence that ends with a character without a token (white space, U+200B), or that was
  cut, stops it with an IndexError; `fine_tune` scores such texts too.
- The evaluator of text classification compares names; for a column of `ClassLabel` ids give it `label_mapping`.
"""

from pathlib import Path

EXACT_ENTITIES = str(Path(__file__).with_name("exact_entities.py"))
CLASSIFICATION_SCORES = str(Path(__file__).with_name("classification_scores.py"))

__all__ = ["CLASSIFICATION_SCORES", "EXACT_ENTITIES"]
