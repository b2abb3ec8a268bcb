"""The head that labels every token, once for every family: Linear, MLP, or a CRF that every stock tool understands.

With `config.classifier = "crf"` labels and logits are IOB2 as with the others; inside, the CRF has tags of its own
(see `tag_crf`). In evaluation the argmax of the logits is the best path, so that pipelines, the Trainer and whoever
loads a checkpoint with its code decode without a class of ours.

Axes: B batch, L length, H hidden, K labels; R rows of tokens, W positions of the longest row, T tags of the CRF.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling, ModelOutput, TokenClassifierOutput
from transformers.utils import logging

from .checks import require
from .tag_crf import IGNORED, TagCRF
from .task_heads import Predicted, TaskHead
from .token_rows import TokenRows, takes_part
from .tracing import is_exported, is_traced

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
_NO_GRAPH = (
    "a CRF decodes in a loop over the tokens of each text, which neither a graph for other texts (torch.export, "
    "torch.jit.trace, ONNX, CUDA graphs) can hold, nor tensors without values. Export model.base_model and decode in "
    "Python, or train with classifier='linear'; torch.compile works, and leaves the CRF out"
)
_BERT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")


class MlpClassificationHead(nn.Module):
    """Linear -> tanh -> Linear, without dropout between: the tagging head of ChineseBERT's published runs."""

    def __init__(self, width: int, num_labels: int) -> None:
        super().__init__()
        self.dense_layer = nn.Linear(width, width)
        self.dense_to_labels_layer = nn.Linear(width, num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [B, L, H] -> logits [B, L, K]."""
        return self.dense_to_labels_layer(torch.tanh(self.dense_layer(hidden)))


class CrfClassificationHead(nn.Module):
    """Linear -> CRF, in one module: what freezes, saves or adapts `classifier` (PEFT) takes both."""

    def __init__(self, width: int, crf: TagCRF) -> None:
        super().__init__()
        self.dense = nn.Linear(width, crf.num_tags)
        self.crf = crf

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden [R, W, H] -> emissions [R, W, T]."""
        return self.dense(hidden)


class _LogitsForShow(torch.autograd.Function):
    """Logits [B, L, K] that were computed from scores, and through which no gradient reaches them."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, logits: Tensor) -> Tensor:
        """Logits as given."""
        ctx.set_materialize_grads(False)  # no use of the logits is no gradient of zeros
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[None, None]:
        """Refuses.

        Raises:
            ValueError: a loss was computed from the logits.
        """
        if grad is not None:
            raise ValueError(
                "a loss computed from the logits would not train the transitions of the CRF (classifier='crf'): give "
                "labels to the model and take its loss. The Trainer computes one of its own where "
                "label_smoothing_factor is not 0, or with a compute_loss or compute_loss_func of yours"
            )
        return None, None


@dataclass
class DecodedTags(ModelOutput):
    """What `decode` finds.

    Attributes:
        tag_ids: int64 [B, L], ids of `config.id2label` on the best path; -1 at special tokens and padding.
        inner_tag_ids: int64 [B, L], ids of `classifier.crf.inner_tags` on the best path; -1 likewise.
        scores: float32 [B], the log-probability of the best path of the whole text (0 for a text without tokens).
        tag_scores: float32 [B, L], the marginal probability of the path's label at its position; 0 at special tokens.
    """

    tag_ids: Tensor | None = None
    inner_tag_ids: Tensor | None = None
    scores: Tensor | None = None
    tag_scores: Tensor | None = None


class ForTokenClassification(TaskHead):
    """Labels every token; `config.classifier` chooses one Linear ("linear"), two ("mlp"), or a CRF ("crf").

    A family with layers between base model and classifier, such as a BiLSTM, sets `reads_rows`, builds them in
    `build_token_layers` and applies them in `token_features`: they then see the tokens of texts only, in left-aligned
    rows, without [CLS], [SEP] and padding.

    Attributes:
        repaired_labels: labels I-x that continued nothing and were read as B-x, so far (with a CRF).
        ignored_labels: labels of entities at special tokens, which a CRF does not read, so far.
    """

    output_class = TokenClassifierOutput
    reads_rows: bool = False

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.loss_type = "ForTokenClassification"  # whatever a subclass is called
        self.repaired_labels, self.ignored_labels = 0, 0
        special = config.special_token_ids if self._uses_rows else []
        allowed = "a list of the ids of [CLS], [SEP] and [PAD]: special_token_ids=[tokenizer.pad_token_id, "
        allowed += "tokenizer.cls_token_id, tokenizer.sep_token_id]; the CRF must know which tokens are no text"
        require(config, special is not None, "special_token_ids", special, allowed)
        width = self.build_token_layers()
        if config.classifier == "crf":
            labels = [config.id2label.get(index) for index in range(config.num_labels)]
            self.classifier = CrfClassificationHead(width, TagCRF(labels, config.crf_scheme))
        elif config.classifier == "mlp":
            self.classifier = MlpClassificationHead(width, config.num_labels)
        else:
            self.classifier = nn.Linear(width, config.num_labels)
        self.post_init()

    @property
    def _uses_rows(self) -> bool:
        return self.reads_rows or self.config.classifier == "crf"

    def build_token_layers(self) -> int:
        """Builds what a family has between base model and classifier; returns the width of what that gives."""
        return self.vector_size

    def token_features(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Applies the layers of `build_token_layers`.

        Args:
            vectors: [R, W, H], the tokens of each text, after dropout; 0 after the end of a row.
            mask: bool [R, W], left-aligned. A row is empty where no text of the batch has a token.

        Returns:
            [R, W, width].
        """
        return vectors

    def predict(self, out: BaseModelOutputWithPooling, inputs: dict, labels: Tensor | None) -> Predicted:
        """Labels every token.

        Args:
            out: of the base model.
            inputs: by name; where an attention_mask [B, L] is not 1, nothing is scored.
            labels: [B, L] int64, 0..K-1, -100 = not scored. A CRF sums over all labels that a token with -100 may have,
                reads an I-x that continues nothing as B-x (with a warning and a count), and reads no label of special
                tokens.

        Returns:
            loss, logits [B, L, K]. The loss is the mean cross-entropy over the scored tokens; with a CRF the negative
            log-likelihood of a text's labels, mean over texts. Logits with a CRF are float32: in training of each token
            by itself, where a loss that is computed from them is refused; in evaluation, without gradient, those whose
            argmax is the best path and whose softmax is the marginal probability of each label; O at special tokens.

        Raises:
            ValueError: special tokens cannot be known; labels have another shape; with a CRF, labels that do not exist.
        """
        hidden, mask = self.dropout(out.last_hidden_state), inputs["attention_mask"]
        if labels is not None and labels.shape != hidden.shape[:2]:  # a mask would be filled with copies of them
            raise ValueError(
                f"labels have the shape {tuple(labels.shape)}; needed is that of input_ids, {tuple(hidden.shape[:2])}: "
                "one for each token, -100 where none is known"
            )
        if self._uses_rows:
            if is_exported():
                raise ValueError(_NO_GRAPH)
            return self._predict_rows(hidden, inputs, labels)
        logits, loss = self.classifier(hidden), None
        if labels is not None:
            if mask is not None and mask.dim() == 2:  # a mask [B, 1, L, L] says who sees whom, not what is scored
                labels = labels.masked_fill(mask != 1, IGNORED)
            loss = self.loss_function(logits, labels, self.config)
        return {"loss": loss, "logits": logits}

    @torch.compiler.disable  # rows have other sizes in every batch, and the CRF loops over them
    def _predict_rows(self, hidden: Tensor, inputs: dict, labels: Tensor | None) -> Predicted:
        rows, scores = self._score_rows(hidden, inputs)
        if self.config.classifier != "crf":
            logits, loss = rows.scatter(scores), None
            if labels is not None:
                loss = self.loss_function(logits, labels.masked_fill(~rows.part, IGNORED), self.config)
            return {"loss": loss, "logits": logits}
        crf, loss = self.classifier.crf, None
        if labels is not None:
            given = crf.read_labels(rows.gather(labels, IGNORED), rows.mask)
            self._count(int(given.repaired), rows, labels)
            loss = crf.labels_nll(scores, rows.mask, given).sum() / len(labels)
        if self.training:
            logits = _LogitsForShow.apply(scores, rows.scatter(crf.cheap_logits(scores), crf.outside_logits()))
        else:
            logits = rows.scatter(crf.path_logits(scores, rows.mask), crf.outside_logits())
        return {"loss": loss, "logits": logits}

    def _score_rows(self, hidden: Tensor, inputs: dict[str, Tensor | None]) -> tuple[TokenRows, Tensor]:
        """The rows of a batch, and what the classifier says of them: [R, W, K], with a CRF emissions [R, W, T].

        Raises:
            ValueError: there are no ids, by which special tokens are known; or a graph is recorded.
        """
        if is_traced(hidden) or hidden.is_meta:
            raise ValueError(_NO_GRAPH)
        # the first rows of a bank or table of glyphs are those of the vocabulary: glyph_ids tell as well
        ids = inputs["input_ids"] if inputs["input_ids"] is not None else inputs.get("glyph_ids")
        if ids is None:
            raise ValueError(
                f"{type(self).__name__} needs input_ids beside the attention_mask: with classifier="
                f"{self.config.classifier!r} special tokens take no part, and inputs_embeds do not say which they are. "
                "To give vectors of your own, replace the input embeddings (set_input_embeddings) or pass glyph_ids too"
            )
        rows = TokenRows(takes_part(ids, inputs["attention_mask"], self.config.special_token_ids))
        return rows, self.classifier(self.token_features(rows.gather(hidden), rows.mask))

    def _count(self, repaired: int, rows: TokenRows, labels: Tensor) -> None:
        """Adds to the counts of labels that are not as they should be, and warns of the first ones."""
        entities = (labels != IGNORED) & (labels != self.classifier.crf.outside)
        ignored = int((entities & ~rows.part).sum())
        if (repaired or ignored) and not (self.repaired_labels or self.ignored_labels):
            logger.warning(
                f"{repaired} labels I-x of this batch follow neither B-x nor I-x and are read as B-x; {ignored} labels "
                "of entities stand at special tokens or padding and are not read. Labels are IOB2, and -100 or O where "
                "no token of a text stands; repaired_labels and ignored_labels of the model count all further ones"
            )
        self.repaired_labels += repaired
        self.ignored_labels += ignored

    @torch.no_grad()
    def decode(self, **inputs: Any) -> DecodedTags:
        """The best paths, their tags inside the CRF and their scores, for inputs as those of `forward`, without labels.

        Raises:
            ValueError: the model has no CRF; special tokens cannot be known.
        """
        if self.config.classifier != "crf":
            raise ValueError(
                f"decode is for classifier='crf', and this model has {self.config.classifier!r}: its labels are the "
                "argmax of the logits"
            )
        inputs.pop("return_dict", None)  # what is found is never a tuple
        named = {name: inputs.pop(name, None) for name in (*_BERT_INPUTS, *self.extra_inputs)}
        hidden = self.dropout(self.encode(named, **inputs).last_hidden_state)
        rows, emissions = self._score_rows(hidden, named)
        crf, mask = self.classifier.crf, rows.mask
        path = crf.decode(emissions, mask)  # [R, W]
        known = path.clamp(min=0)
        outer = crf.outer[known].masked_fill(~mask, -1)
        marginals = crf.sums(crf.marginals(emissions, mask)).gather(-1, outer.clamp(min=0)[..., None]).squeeze(-1)
        scores = hidden.new_zeros(len(hidden), dtype=torch.float32)
        return DecodedTags(
            tag_ids=rows.scatter(outer, -1),
            inner_tag_ids=rows.scatter(path, -1),
            scores=scores.index_add(0, rows.text, -crf.nll(emissions, mask, known).float()),
            tag_scores=rows.scatter(marginals.float()),
        )


__all__ = ["CrfClassificationHead", "DecodedTags", "ForTokenClassification", "MlpClassificationHead"]
