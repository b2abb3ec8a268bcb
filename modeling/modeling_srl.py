"""Semantic roles of a predicate that is given, with k-order pruning (He et al., 2018), a host of Glyce-word.

    kept words: at most k steps from the predicate's path to the root      srl.py                           [B, W]
    e = [word ; Glyce-word ; is it the predicate? ; part of speech ; relation]                              [B, W, D]
    h = highway layers over BiLSTMs over e                                                                  [B, W, H]
    roles of the kept words from a Linear; all other words have none ("O")                                  [B, T, K]
    L = (1 - lambda(t)) L_task + lambda(t) L_cls                           image_loss_schedule.py

Axes: B batch, T words, W words kept of the sentence that keeps most, C characters of the longest word, D width of the
input, H hidden_size, K labels, E further characters of an example, F*h*w values of a character's glyph images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .bilstm import BiLSTMLayers
from .checks import check_ids, check_mask, check_tensors
from .configuration_srl import SrlConfig
from .highway import Highway
from .image_loss_schedule import ImageLossSchedule
from .input_embeddings import WordEmbedding
from .recurrent_model import RecurrentModelOutput, RecurrentPreTrainedModel
from .srl import KeptWords, check_predicates, pruning_orders
from .tag_crf import IGNORED
from .task_heads import mean_loss
from .token_rows import is_token

NO_ROLE = "O"  # the label of a word without a role
GATE_BIAS = -1  # at first a highway layer lets through most of what it gets
UNLIKELY = -100.0  # logit of the roles of a word that is not read, beside 0 for none


@dataclass
class SrlModelOutput(RecurrentModelOutput):
    """What a SrlModel gives.

    Attributes:
        last_hidden_state: [B, T, H], 0 at words that were not read.
        hidden_states: the input vectors [B, T, D], behind every BiLSTM [B, T, H], where they are wanted; 0 likewise.
        keep: int64 [B, T], 1 = word that was read, 0 = pruned, or padding.
    """

    keep: Tensor | None = None


class SrlPreTrainedModel(RecurrentPreTrainedModel):
    """What the models of semantic roles share."""

    config: SrlConfig
    base_model_prefix = "srl"
    main_input_name = "word_ids"
    ids_are_rows = False
    _no_split_modules = [*RecurrentPreTrainedModel._no_split_modules, "Highway"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As all models of LSTMs; the gates of highway layers are nearly closed."""
        super()._init_weights(module)
        # the gates are looked for: a module without weights of its own, as Highway is one, never comes here
        if any(module is gate for gate in self.base_model.highway.gate):
            init.constant_(module.bias, GATE_BIAS)


class SrlModel(ImageLossSchedule, SrlPreTrainedModel):
    """The words that are kept, BiLSTMs and highway layers over them: one vector for every word."""

    def __init__(self, config: SrlConfig) -> None:
        super().__init__(config)
        self.embeddings = WordEmbedding(config)
        self.predicate_embeddings = nn.Embedding(2, config.predicate_dim)
        # id 0 of both tables: none of those that are known
        self.tag_embeddings = nn.Embedding(1 + len(config.pos_tags), config.tag_dim) if config.pos_tags else None
        self.relation_embeddings = None
        if config.relations:
            self.relation_embeddings = nn.Embedding(1 + len(config.relations), config.relation_dim)
        width = config.hidden_size
        self.lstm = BiLSTMLayers(config.input_size, width, config.num_hidden_layers, config.hidden_dropout)
        self.highway = Highway(width, width, config.num_highway_layers)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, word_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                predicate: Tensor | None = None, heads: Tensor | None = None, tag_ids: Tensor | None = None,
                relation_ids: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | SrlModelOutput:  # fmt: skip
        """Encodes sentences, each with one predicate.

        Args:
            word_ids: [B, T] int64, 0..V-1.
            attention_mask: [B, T], 1 = word, 0 = padding, which follows the words; None takes all as words.
            token_type_ids: [B, T], as the tokenizer makes them; not read: a sentence has no pair.
            inputs_embeds: [B, T, I] in place of word_ids.
            predicate: [B] int64, the position of the predicate's word, 0..T-1.
            heads: [B, T] int64, the head of each word, 1..T counted in its sentence, 0 = root; not read at padding, and
                not at all where `pruning_order` is None.
            tag_ids: [B, T] int64, 1 + the index of the part of speech in `config.pos_tags`, 0 = another. Not read where
                that is [].
            relation_ids: [B, T] int64, likewise, of `config.relations`.
            glyph_ids: [B, T, C] int64, rows of the glyph bank of each word's characters, or N + i for image i of the
                example's `extra_glyphs`; 0 and below are none. Not read where `glyce` is False.
            extra_glyphs: [B, E, F*h*w] uint8, see `WordEmbedding`.
            kwargs: output_hidden_states, return_dict.

        Returns:
            last_hidden_state [B, T, H] and keep, int64 [B, T]; image_loss in training; hidden_states where wanted.

        Raises:
            ValueError: a shape or an id that does not fit; no predicate, or no heads with pruning; heads that are no
                tree (see `pruning_orders`); a `pruning_order` below 0.
            TypeError: an input that the model does not have, or that is no tensor.
        """
        wanted = self.read_options(kwargs)
        own_ids = {"tag_ids": tag_ids, "relation_ids": relation_ids}
        given = {"word_ids": word_ids, "inputs_embeds": inputs_embeds, "glyph_ids": glyph_ids, "heads": heads}
        check_tensors({**given, **own_ids, "attention_mask": attention_mask, "predicate": predicate})
        words = word_ids if word_ids is not None else inputs_embeds
        if words is None or predicate is None:
            missing = "word_ids" if words is None else "predicate"
            raise ValueError(f"{missing} is missing; needed are word_ids [B, T] and predicate [B], a word of each")
        check_mask(attention_mask, words.shape[:2])
        mask = is_token(words, attention_mask)
        if self.embeddings.glyphs is not None:  # before words are left out: afterwards every shape fits
            self.embeddings.rows(word_ids, glyph_ids, extra_glyphs, mask.shape)
        keep = self._keep(heads, predicate, mask)
        kept = KeptWords(keep)
        own = self._own_vectors(kept, predicate, own_ids)
        taken = (None if part is None else kept.gather(part) for part in (word_ids, glyph_ids, inputs_embeds))
        word_ids, glyph_ids, inputs_embeds = taken
        vectors, image_loss = self.embeddings(word_ids, glyph_ids, extra_glyphs, inputs_embeds, kept.mask)
        vectors = torch.cat([vectors, *(part.to(vectors.dtype) for part in own)], -1)  # [B, W, D]
        layers = self.lstm.all_layers(vectors, kept.mask)  # [B, W, H] each
        return SrlModelOutput(
            last_hidden_state=kept.scatter(self.highway(layers[-1])),
            hidden_states=tuple(map(kept.scatter, (vectors, *layers))) if wanted else None,
            image_loss=image_loss,
            keep=keep.long(),
        )

    def _keep(self, heads: Tensor | None, predicate: Tensor, mask: Tensor) -> Tensor:
        """The words that are read, bool [B, T]."""
        order = self.config.pruning_order
        if order is None:
            check_predicates(predicate, mask)
            return mask
        if order < 0:
            raise ValueError(
                f"config.pruning_order={order} is not allowed: no word would be read; allowed is None or an integer of "
                "0 or more"
            )
        if heads is None or heads.shape != mask.shape:
            found = "missing" if heads is None else f"of the shape {tuple(heads.shape)}"
            raise ValueError(
                f"heads are {found}; needed are those of all words, {tuple(mask.shape)}: with pruning_order={order} "
                "the tree says which words are read. Parse the sentence (run_parsing.py), or set pruning_order=None"
            )
        return (pruning_orders(heads, predicate, mask) <= order) & mask

    def _own_vectors(self, kept: KeptWords, predicate: Tensor, ids: dict[str, Tensor | None]) -> list[Tensor]:
        """The vectors beside those of words and glyphs, [B, W, ...] each: predicate, part of speech, relation."""
        is_predicate = torch.arange(kept.length, device=predicate.device) == predicate[:, None]  # [B, T]
        shape = tuple(is_predicate.shape)
        found = [self.predicate_embeddings(kept.gather(is_predicate.long()))]
        tables = {"tag_ids": self.tag_embeddings, "relation_ids": self.relation_embeddings}
        for name, table in tables.items():
            if table is None:
                continue
            given = ids[name]
            if given is None or given.shape != shape:
                field = {"tag_ids": "pos_tags", "relation_ids": "relations"}[name]
                found = "missing" if given is None else f"of the shape {tuple(given.shape)}"
                raise ValueError(f"{name} are {found}; needed are {shape}, the ids of config.{field} for all words")
            check_ids(
                name, given, table.num_embeddings, "those that the model knows, 0 for others", "Give 0 for others"
            )
            found.append(table(kept.gather(given)))
        return [self.embeddings.dropout(part) for part in found]


class SrlForTokenClassification(SrlPreTrainedModel):
    """Gives each word its role for one predicate, or none."""

    def __init__(self, config: SrlConfig) -> None:
        super().__init__(config)
        self.loss_type = "ForTokenClassification"  # whatever a subclass is called
        self.srl = SrlModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(self, word_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                predicate: Tensor | None = None, heads: Tensor | None = None, tag_ids: Tensor | None = None,
                relation_ids: Tensor | None = None, labels: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | TokenClassifierOutput:  # fmt: skip
        """Labels sentences; the inputs are those of `SrlModel.forward`.

        Args:
            word_ids: see there, like all that follow but the labels.
            attention_mask: see there.
            token_type_ids: see there.
            inputs_embeds: see there.
            predicate: see there.
            heads: see there.
            tag_ids: see there.
            relation_ids: see there.
            labels: [B, T] int64, 0..K-1, the role of each word, -100 = not scored. Those of words that are not read
                (pruning, padding) are not scored.
            glyph_ids: see there.
            extra_glyphs: see there.
            kwargs: see there.

        Returns:
            loss (mean cross-entropy over the words that are scored; 0 where none is, as all may be pruned), logits
            [B, T, K]: "O" for certain at words that pruning leaves out.

        Raises:
            ValueError: also, for labels that do not exist or of another shape, and if words are pruned and none of the
                labels is "O".
        """
        out = self.srl(word_ids, attention_mask, token_type_ids, inputs_embeds, predicate, heads, tag_ids, relation_ids,
                       glyph_ids, extra_glyphs, return_dict=True, **kwargs)  # fmt: skip
        logits, loss = self.classifier(self.dropout(out.last_hidden_state)), None
        if labels is not None:
            self._check_labels(labels, out.keep)
            loss = mean_loss(logits, labels.masked_fill(out.keep == 0, IGNORED))
        if self.config.pruning_order is not None:
            logits = torch.where(out.keep[..., None] == 1, logits, self._no_role(logits))
        return TokenClassifierOutput(
            loss=self.srl.total_loss(loss, out), logits=logits, hidden_states=out.hidden_states
        )

    def _check_labels(self, labels: Tensor, keep: Tensor) -> None:
        """Refuses labels that are not [B, T], as keep is, or do not exist (seen on the CPU only)."""
        if labels.shape != keep.shape:
            raise ValueError(
                f"labels have the shape {tuple(labels.shape)}; needed is {tuple(keep.shape)}: the role of every word"
            )
        # without those that are not scored; a mask in place of an index would wait for the device
        found = labels.masked_fill(labels == IGNORED, 0)
        check_ids("labels", found, self.config.num_labels, "roles of config.id2label", "Or -100: not scored")

    def _no_role(self, logits: Tensor) -> Tensor:
        """Logits [K] of a word without a role, like those [B, T, K]."""
        index = self.config.label2id.get(NO_ROLE)
        if index is None:
            raise ValueError(
                f"none of the labels {list(self.config.label2id)} is {NO_ROLE!r}, which words have that are not read; "
                'make the configuration with id2label={0: "O", 1: "A0", ...}'
            )
        labels = torch.arange(logits.shape[-1], device=logits.device)
        return torch.where(labels == index, 0.0, UNLIKELY).to(logits.dtype)


AUTO_CLASSES = {"AutoModel": SrlModel, "AutoModelForTokenClassification": SrlForTokenClassification}
register(AUTO_CLASSES)

__all__ = ["SrlForTokenClassification", "SrlModel", "SrlPreTrainedModel"]
