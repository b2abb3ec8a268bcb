"""Deep biaffine dependency parser (Dozat and Manning, 2017), a host of Glyce-word.

    e = [word ; Glyce-word ; part of speech]               input_embeddings.py                  [B, T, D]
    h = BiLSTMs over e, with dropout that a sentence shares; the root before them               [B, T + 1, H]
    arc(i, j) = [MLP(h_i) ; 1]^T U MLP(h_j)                biaffine.py                          [B, T + 1, T + 1]
    relation(i, head) = [MLP(h_i) ; 1]^T V [MLP(h_head) ; 1]                                    [B, T, K]
    heads = the best tree                                  dependency_trees.py                  [B, T]
    L = (1 - lambda(t)) L_task + lambda(t) L_cls           image_loss_schedule.py
        L_task = cross-entropy of heads + cross-entropy of the relations to the right heads

Relations are scored for one head a word: for every pair of words they would be K times as many as arcs.

Axes: B batch, T words, W characters of the longest word, D width of the input, H hidden_size, K relations, E further
characters of an example, F*h*w values of a character's glyph images. Position 0 is the root where there are T + 1.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .biaffine import Biaffine, BiaffineMLP, SharedDropout
from .bilstm import BiLSTMLayers, take_positions
from .checks import check_ids
from .configuration_biaffine import BiaffineConfig
from .dependency_trees import NO_HEAD, decode_heads
from .image_loss_schedule import ImageLossSchedule
from .input_embeddings import WordEmbedding
from .recurrent_model import RecurrentModelOutput, RecurrentPreTrainedModel
from .tag_crf import IGNORED
from .task_heads import mean_loss
from .token_rows import is_token
from .tracing import is_exported, is_traced

_NO_GRAPH = (
    "trees are found by an algorithm in NumPy, which no graph (torch.export, torch.jit.trace, ONNX) can hold, and not "
    "for tensors without values. Export model.base_model, and decode in Python"
)

_PADDED_BEFORE = "attention_mask has padding before a word; needed is padding behind the words of a sentence"


@dataclass
class DependencyParserOutput(ModelOutput):
    """What a parser gives.

    Attributes:
        loss: a scalar, where labels are given.
        arc_logits: [B, T + 1, T + 1]; arc_logits[b, i, j] is the score of word j, or of the root, 0, as the head of
            word i. The lowest number of its type where there is no such arc: in the row of the root, on the diagonal
            and at padding.
        relation_logits: [B, T, K], of the relations to `heads`; any values at padding.
        heads: int64 [B, T], 0 = root, 1..T: the best tree; in training the right heads, where they are given. -1 at
            padding.
        hidden_states: the input vectors [B, T, D], and [B, T, H] behind every BiLSTM, where they are wanted.
        attentions: None: there is no attention over layers.
    """

    loss: Tensor | None = None
    arc_logits: Tensor | None = None
    relation_logits: Tensor | None = None
    heads: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class DecodedTrees(ModelOutput):
    """What `decode` finds.

    Attributes:
        heads: int64 [B, T], 0 = root, 1..T; -1 at padding.
        relations: int64 [B, T], ids of `config.id2label`; -1 at padding.
    """

    heads: Tensor | None = None
    relations: Tensor | None = None


class RootVector(nn.Module):
    """A learnt vector for the root, before the words."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [B, T, H] -> [B, T + 1, H]."""
        return torch.cat([self.weight.to(hidden.dtype).expand(hidden.shape[0], 1, -1), hidden], 1)


class BiaffinePreTrainedModel(RecurrentPreTrainedModel):
    """What all Biaffine models share."""

    config: BiaffineConfig
    base_model_prefix = "biaffine"
    main_input_name = "word_ids"
    ids_are_rows = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As all models of LSTMs; biaffine weights are 0: at first no head is better than another."""
        super()._init_weights(module)
        if isinstance(module, Biaffine):
            init.zeros_(module.weight)
        elif isinstance(module, RootVector):
            init.normal_(module.weight, std=self.config.initializer_range)


class BiaffineModel(ImageLossSchedule, BiaffinePreTrainedModel):
    """The input vectors of words and BiLSTMs over them: one vector for every word."""

    def __init__(self, config: BiaffineConfig) -> None:
        super().__init__(config)
        self.embeddings = WordEmbedding(config)
        # id 0: none of those that are known
        self.tag_embeddings = nn.Embedding(1 + len(config.pos_tags), config.tag_dim) if config.pos_tags else None
        dropout = config.hidden_dropout
        self.lstm = BiLSTMLayers(config.input_size, config.hidden_size, config.num_hidden_layers, dropout)
        self.lstm.dropout = SharedDropout(dropout)
        self.image_loss_weight = config.image_loss_weight
        self.post_init()

    @can_return_tuple
    def forward(self, word_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                tag_ids: Tensor | None = None, glyph_ids: Tensor | None = None, extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | RecurrentModelOutput:  # fmt: skip
        """Encodes sentences.

        Args:
            word_ids: [B, T] int64, 0..V-1.
            attention_mask: [B, T], 1 = word, 0 = padding; None takes all as words.
            token_type_ids: [B, T], as the tokenizer makes them; not read: a sentence has no pair.
            inputs_embeds: [B, T, I] in place of word_ids.
            tag_ids: [B, T] int64, 1 + the index of the part of speech in `config.pos_tags`, 0 = another. Not read where
                that is [].
            glyph_ids: [B, T, W] int64, rows of the glyph bank of each word's characters, or N + i for image i of the
                example's `extra_glyphs`; 0 and below are none. Not read where `glyce` is False.
            extra_glyphs: [B, E, F*h*w] uint8, see `WordEmbedding`.
            kwargs: output_hidden_states, return_dict.

        Returns:
            last_hidden_state [B, T, H], 0 at padding; image_loss in training; hidden_states where they are wanted.

        Raises:
            ValueError: a shape or an id that does not fit; tag_ids are missing.
            TypeError: an input that the model does not have.
        """
        wanted = self.read_options(kwargs)
        vectors, image_loss = self.embeddings(word_ids, glyph_ids, extra_glyphs, inputs_embeds, attention_mask)
        if self.tag_embeddings is not None:
            vectors = torch.cat([vectors, self._tags(tag_ids, vectors)], -1)  # [B, T, D]
        layers = self.lstm.all_layers(vectors, attention_mask)  # [B, T, H] each
        return RecurrentModelOutput(
            last_hidden_state=layers[-1],
            hidden_states=(vectors, *layers) if wanted else None,
            image_loss=image_loss,
        )

    def _tags(self, tag_ids: Tensor | None, vectors: Tensor) -> Tensor:
        """Vectors of parts of speech: [B, T, tag_dim]."""
        if tag_ids is None or tag_ids.shape != vectors.shape[:2]:
            found = "missing" if tag_ids is None else f"of the shape {tuple(tag_ids.shape)}"
            raise ValueError(
                f"tag_ids are {found}; needed is {tuple(vectors.shape[:2])}, 1 + the index of each word's part of "
                "speech in config.pos_tags, or 0: this parser reads parts of speech and does not find them"
            )
        known = self.tag_embeddings.num_embeddings
        check_ids("tag_ids", tag_ids, known, "parts of speech, 0 for others", "Give 0 for others")
        return self.embeddings.dropout(self.tag_embeddings(tag_ids).to(vectors.dtype))


class BiaffineForDependencyParsing(BiaffinePreTrainedModel):
    """Finds the tree of every sentence. There is no auto class of parsers: AutoModel makes this one."""

    def __init__(self, config: BiaffineConfig) -> None:
        super().__init__(config)
        self.biaffine = BiaffineModel(config)
        self.root = RootVector(config.hidden_size)
        width, dropout = config.hidden_size, config.classifier_dropout
        self.arc_words = BiaffineMLP(width, config.arc_size, dropout)
        self.arc_heads = BiaffineMLP(width, config.arc_size, dropout)
        self.relation_words = BiaffineMLP(width, config.relation_size, dropout)
        self.relation_heads = BiaffineMLP(width, config.relation_size, dropout)
        self.arcs = Biaffine(config.arc_size)
        self.relations = Biaffine(config.relation_size, config.num_labels, head_bias=True)
        self.post_init()

    @can_return_tuple
    def forward(self, word_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                tag_ids: Tensor | None = None, head_labels: Tensor | None = None,
                relation_labels: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | DependencyParserOutput:  # fmt: skip
        """Parses sentences; the inputs are those of `BiaffineModel.forward`.

        Args:
            word_ids: see there, like all that follow but the labels.
            attention_mask: see there; padding follows the words of a sentence.
            token_type_ids: see there.
            inputs_embeds: see there.
            tag_ids: see there.
            head_labels: [B, T] int64, 0 = root, 1..T counted in the sentence, -100 = not scored.
            relation_labels: [B, T] int64, 0..K-1, -100 = not scored; scored where the head is known too.
            glyph_ids: see there.
            extra_glyphs: see there.
            kwargs: see there.

        Returns:
            loss (mean cross-entropy of the heads plus that of the relations to the right heads, over the words that are
            scored), arc_logits, relation_logits and heads. In evaluation heads are the best tree.

        Raises:
            ValueError: also for padding before words, labels that do not exist, and labels of one kind alone.
        """
        out = self.biaffine(word_ids, attention_mask, token_type_ids, inputs_embeds, tag_ids, glyph_ids, extra_glyphs,
                            return_dict=True, **kwargs)  # fmt: skip
        words = is_token(out.last_hidden_state, attention_mask)
        heads, loss = self._checked_labels(words, head_labels, relation_labels), None
        hidden = self.root(out.last_hidden_state)  # [B, T + 1, H]
        arcs = self._arc_logits(hidden, words)
        sides = self.relation_words(hidden[:, 1:]), self.relation_heads(hidden)
        relation_logits = None
        if heads is not None:
            relation_logits = self._relation_logits(*sides, heads)
            loss = mean_loss(arcs[:, 1:], heads)
            loss = loss + mean_loss(relation_logits, relation_labels.masked_fill(heads == IGNORED, IGNORED))
        if heads is None or not self.training:
            heads = self._trees(arcs, words)
            relation_logits = self._relation_logits(*sides, heads)
        return DependencyParserOutput(
            loss=self.biaffine.total_loss(loss, out),
            arc_logits=arcs,
            relation_logits=relation_logits,
            heads=heads.masked_fill(heads < 0, NO_HEAD),
            hidden_states=out.hidden_states,
        )

    @torch.no_grad()
    def decode(self, **inputs: Any) -> DecodedTrees:
        """The best tree of every sentence and its relations, for inputs as those of `forward`, without labels."""
        was_training = self.training
        try:
            out = self.eval()(**{**inputs, "return_dict": True})
        finally:
            self.train(was_training)
        return DecodedTrees(heads=out.heads, relations=out.relation_logits.argmax(-1).masked_fill(out.heads < 0, -1))

    def _arc_logits(self, hidden: Tensor, words: Tensor) -> Tensor:
        """Hidden [B, T + 1, H], which are words [B, T] -> [B, T + 1, T + 1]."""
        scores = self.arcs(self.arc_words(hidden), self.arc_heads(hidden))[:, 0]
        heads, positions = F.pad(words, (1, 0), value=True), torch.arange(hidden.shape[1], device=hidden.device)
        is_arc = F.pad(words, (1, 0))[:, :, None] & heads[:, None] & (positions[:, None] != positions)
        return scores.masked_fill(~is_arc, torch.finfo(scores.dtype).min)

    def _relation_logits(self, words: Tensor, heads: Tensor, chosen: Tensor) -> Tensor:
        """Words [B, T, R], heads [B, T + 1, R], the chosen ones [B, T] -> [B, T, K]."""
        return self.relations.of_pairs(words, take_positions(heads, chosen.clamp(min=0)))

    @torch.compiler.disable  # an algorithm in NumPy, of other steps for every sentence
    def _trees(self, arcs: Tensor, words: Tensor) -> Tensor:
        """Arc logits [B, T + 1, T + 1], which are words [B, T] -> the heads of the best trees [B, T]."""
        if is_exported() or is_traced(arcs) or arcs.is_meta:
            raise ValueError(_NO_GRAPH)
        if (words[:, 1:] & ~words[:, :-1]).any():  # on any device: the scores are brought to the CPU anyway
            raise ValueError(_PADDED_BEFORE)
        return decode_heads(arcs, words.sum(-1))[:, 1:]

    def _checked_labels(self, words: Tensor, heads: Tensor | None, relations: Tensor | None) -> Tensor | None:
        """The right heads, -100 at padding; refuses labels that do not exist (seen on the CPU only)."""
        on_cpu = words.device.type == "cpu" and not is_traced(words)
        if on_cpu and (words[:, 1:] & ~words[:, :-1]).any():
            raise ValueError(_PADDED_BEFORE)
        if heads is None and relations is None:
            return None
        for name, given in (("head_labels", heads), ("relation_labels", relations)):
            if given is None or given.shape != words.shape:
                found = "missing" if given is None else f"of the shape {tuple(given.shape)}"
                raise ValueError(
                    f"{name} are {found}; needed are both kinds of labels for all words {tuple(words.shape)}"
                )
        heads = heads.masked_fill(~words, IGNORED)
        scored, positions = heads != IGNORED, torch.arange(1, words.shape[1] + 1, device=words.device)
        wrong = scored & ((heads < 0) | (heads > words.sum(-1, keepdim=True)) | (heads == positions))
        if on_cpu and wrong.any():
            row, word = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"head_labels[{row}, {word}] is {heads[row, word]}; allowed are 0 (the root), 1 to {words[row].sum()} "
                f"but not the word itself, {word + 1}, and -100 for what is not scored"
            )
        found = relations[scored & (relations != IGNORED)]
        check_ids(
            "relation_labels", found, self.config.num_labels, "relations of config.id2label", "Or -100: not scored"
        )
        return heads


AUTO_CLASSES = {"AutoModel": BiaffineForDependencyParsing}
register(AUTO_CLASSES)

__all__ = ["BiaffineForDependencyParsing", "BiaffineModel", "BiaffinePreTrainedModel"]
