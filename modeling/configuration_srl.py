# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of the labeller of semantic roles, a host of Glyce-word."""

from dataclasses import field

from huggingface_hub.dataclasses import strict

from .checks import check_sizes, require
from .configuration_recurrent import RecurrentConfig


@strict
class SrlConfig(RecurrentConfig):
    """BiLSTMs and highway layers that give each word its role for one predicate, which is given.

    Every field is checked when the configuration is made. The fields beside these are those of `RecurrentConfig`,
    `GlyphCnnConfig` and `CharacterConfig`; the vocabulary is one of words. The published model (He et al., 2018) has
    hidden_size=1024, num_hidden_layers=4, num_highway_layers=10 and dropouts of 0.1; the defaults are smaller, for data
    of some thousand predicates.

    Args:
        pruning_order: k of the pruning: words that are more than k steps away from the predicate's path to the root are
            not read, and have no role. >= 0; None reads all words. It belongs to no weight, and may be set later.
        pos_tags: the parts of speech whose vectors are read beside the words, in the order of their ids 1, 2, ...; []
            for none.
        relations: the relations to the head that are read, likewise.
        predicate_dim: width of the vector that says whether a word is the predicate, >= 1.
        tag_dim: width of the vector of a part of speech, >= 1.
        relation_dim: width of the vector of a relation, >= 1.
        num_highway_layers: highway layers behind the BiLSTMs, >= 1.

    Example:
        >>> from hanziformers import SrlConfig
        >>> SrlConfig(pos_tags=["NOUN", "VERB"], pruning_order=3).input_size
        212
    """

    model_type = "srl"

    hidden_size: int = 300
    num_hidden_layers: int = 2
    embedding_dropout: float | int = 0.3
    hidden_dropout: float | int = 0.3
    classifier_dropout: float | int = 0.3
    pruning_order: int | None = None
    pos_tags: list[str] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)
    predicate_dim: int = 16
    tag_dim: int = 32
    relation_dim: int = 64
    num_highway_layers: int = 2

    @property
    def input_size(self) -> int:
        """Width of the input vectors: word, glyphs, predicate and, where they are read, part of speech and relation."""
        tags, relations = (self.tag_dim if self.pos_tags else 0), (self.relation_dim if self.relations else 0)
        return super().input_size + self.predicate_dim + tags + relations

    def validate_architecture(self) -> None:
        """As every configuration here; the layers that label are one Linear."""
        super().validate_architecture()
        check_sizes(self, ("predicate_dim", "tag_dim", "relation_dim", "num_highway_layers"))
        order, kind = self.pruning_order, self.classifier
        require(self, order is None or order >= 0, "pruning_order", order, "None or an integer of 0 or more")
        require(self, kind == "linear", "classifier", kind, "'linear': roles are no entities, whose tags a CRF decodes")
        for name in ("pos_tags", "relations"):
            names = getattr(self, name)
            require(self, len(set(names)) == len(names), name, names, "a list of different names")


SrlConfig.register_for_auto_class()

__all__ = ["SrlConfig"]
