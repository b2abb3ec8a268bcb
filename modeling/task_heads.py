"""The task heads, each once for every model family.

A family states its base model in a small class and lists its heads:

    class GlyphCrmTaskModel(GlyphCrmPreTrainedModel):  # builds the base model and `dropout`, states `extra_inputs`
        ...

    class GlyphCrmForMaskedLM(ForMaskedLM, GlyphCrmTaskModel):
        ...

The head that labels tokens has a file of its own, token_heads.py.

Axes: B batch, L length, H hidden, V vocabulary, C choices, K labels.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
)
from transformers.models.bert.modeling_bert import BertForPreTrainingOutput, BertOnlyMLMHead
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .tag_crf import IGNORED

Predicted = dict[str, Tensor | None]  # the fields of a head's output that the head itself computes


class TaskHead:
    """What all heads share: inputs -> base model -> `predict`.

    A head states `reads`, `label_names` and `output_class`, builds its layers and ends `__init__` with `post_init()`.
    A family's task model builds the base model under its prefix and `dropout`, states `extra_inputs` (what the base
    model takes besides BERT's five inputs) and `vector_inputs` (name -> length: those whose last axis is a vector), and
    says in `sequence_vector(out)` how a text becomes one vector [B, H]. A base model with a loss of its own says in
    `total_loss(loss, out)` what becomes of a head's loss, or of None in its place.
    """

    reads: str = "tokens"  # "tokens", "sequence" (one vector of a text) or "pooler" (BERT's own way to such a vector)
    label_names: tuple[str, ...] = ("labels",)
    output_class: type[ModelOutput]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Gives the head of a family a `forward` whose signature names all inputs, with the family's own among them.

        The signature is read: the Trainer drops the columns of a data set that it lacks and finds the labels in it,
        pipelines, PEFT and torch.export look there too.
        """
        super().__init_subclass__(**kwargs)
        # a mixin without a family is left alone, and so is a subclass that writes, or inherits, its own forward
        if issubclass(cls, PreTrainedModel) and "forward" not in vars(cls) and cls.forward is TaskHead.forward:
            cls.forward = _with_named_inputs(cls)

    @can_return_tuple
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | ModelOutput:  # fmt: skip
        """Inputs as in the `forward` of the base model; labels as below, all by name."""
        # popped, so that what is left in kwargs are options; the base model has no labels
        labels = {name: kwargs.pop(name, None) for name in self.label_names}
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            **{name: kwargs.pop(name, None) for name in self.extra_inputs},
        }
        out = self.encode(inputs, **kwargs)  # the base model refuses what it does not know among kwargs
        predicted = self.predict(out, inputs, **labels)
        if hasattr(self.base_model, "total_loss"):
            predicted["loss"] = self.base_model.total_loss(predicted["loss"], out)
        return self.output_class(**predicted, hidden_states=out.hidden_states, attentions=out.attentions)

    @property
    def vector_size(self) -> int:
        """Width of the base model's vectors, which is H unless a family puts more beside the text."""
        return getattr(self.config, "fused_size", self.config.hidden_size)

    def encode(self, inputs: dict[str, Tensor | None], **kwargs: Any) -> BaseModelOutputWithPooling:
        """The base model's output for the named inputs."""
        # `return_dict` is answered by the head; without it here, a configuration that says False would give a tuple
        return self.base_model(**inputs, return_dict=True, **kwargs)

    def predict(
        self, out: BaseModelOutputWithPooling, inputs: dict[str, Tensor | None], **labels: Tensor | None
    ) -> Predicted:
        """From the base model's output to loss and logits."""
        raise NotImplementedError


def _with_named_inputs(cls: type[TaskHead]) -> Callable[..., Any]:
    """The common forward under a signature, and with a docstring, of this class."""
    forward = TaskHead.forward
    signature = inspect.signature(forward)
    own, *bert, rest = signature.parameters.values()  # self, BERT's five inputs and **kwargs
    more = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Tensor | None)
        for name in (*cls.label_names, *cls.extra_inputs)
    ]
    # models of words read word_ids first: a call by position gives them those
    inputs = sorted([*bert, *more], key=lambda parameter: parameter.name != cls.main_input_name)
    names = [parameter.name for parameter in inputs]

    @wraps(forward)
    def named(self: TaskHead, *args: Any, **kwargs: Any) -> tuple[Tensor] | ModelOutput:
        # torch.jit.trace and the ONNX exporter built on it pass all by position; too many of them fail in `forward`
        by_name = dict(zip(names[: len(args)], args[: len(names)], strict=True))
        return forward(self, *args[len(names) :], **by_name, **kwargs)

    result = tuple[Tensor] | cls.output_class
    named.__signature__ = signature.replace(parameters=[own, *inputs, rest], return_annotation=result)
    named.__doc__ = f"{inspect.getdoc(forward)}\n\n{inspect.getdoc(cls.predict)}"
    return named


class _WithLMHead(TaskHead):
    """The layers that predict characters: transformers' own, under `cls.predictions` as in BERT."""

    def build_lm_head(self) -> None:
        """Sets `cls`; the decoder is tied to the word table if the configuration says so."""
        self.cls = BertOnlyMLMHead(self.config)
        if not self.config.tie_word_embeddings:
            # the decoder's bias is tied to this one or else leaves it without any use, and without a gradient
            del self.cls.predictions.bias

    def get_output_embeddings(self) -> nn.Linear:
        """The decoder."""
        return self.cls.predictions.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replaces the decoder, and the bias tied to it."""
        self.cls.predictions.decoder = value
        if self.config.tie_word_embeddings:
            self.cls.predictions.bias = getattr(value, "bias", None)  # an adapter around a Linear may show none


class ForMaskedLM(_WithLMHead):
    """Predicts masked characters."""

    output_class = MaskedLMOutput

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        # said here: transformers reads it from the class's name, and would train a subclass by another name, with no
        # more than a warning, to predict the next token
        self.loss_type = "ForMaskedLM"
        self.build_lm_head()
        self.post_init()

    def predict(self, out: BaseModelOutputWithPooling, inputs: dict, labels: Tensor | None) -> Predicted:
        """Predicts masked characters.

        Args:
            out: of the base model.
            inputs: by name.
            labels: [B, L] int64, the true ids 0..V-1 at masked positions, -100 elsewhere.

        Returns:
            loss (mean cross-entropy over the masked positions), logits [B, L, V].
        """
        logits, loss = self.cls(out.last_hidden_state), None
        if labels is not None:
            self.check_masking(inputs, labels)
            loss = self.loss_function(logits, labels, self.config.vocab_size)
        return {"loss": loss, "logits": logits}

    def check_masking(self, inputs: dict[str, Tensor | None], labels: Tensor) -> None:
        """For a family that can see that the inputs [B, L, ...] still show what the labels [B, L] ask for: warns."""


class ForPreTraining(_WithLMHead):
    """Predicts masked characters, and whether the second sentence follows the first."""

    reads = "pooler"
    label_names = ("labels", "next_sentence_label")
    output_class = BertForPreTrainingOutput

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.build_lm_head()
        self.seq_relationship = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def predict(
        self,
        out: BaseModelOutputWithPooling,
        inputs: dict,
        labels: Tensor | None,
        next_sentence_label: Tensor | None,
    ) -> Predicted:
        """Predicts masked characters and the order of sentences.

        Args:
            out: of the base model.
            inputs: by name.
            labels: [B, L] int64, the true ids 0..V-1 at masked positions, -100 elsewhere.
            next_sentence_label: [B] int64, 0 = the second sentence follows the first, 1 = it is another's.

        Returns:
            loss (the mean over masked positions plus the mean over pairs, or the one whose labels are given),
            prediction_logits [B, L, V], seq_relationship_logits [B, 2].
        """
        characters = self.cls(out.last_hidden_state)  # [B, L, V]
        pairs = self.seq_relationship(out.pooler_output)  # [B, 2]
        # each by itself, as either kind of label may be missing; in float32, as bf16 sums over V are coarse
        losses = [
            F.cross_entropy(logits.flatten(0, -2).float(), target.flatten().to(logits.device))
            for logits, target in ((characters, labels), (pairs, next_sentence_label))
            if target is not None
        ]
        loss = sum(losses) if losses else None
        return {"loss": loss, "prediction_logits": characters, "seq_relationship_logits": pairs}


class ForSequenceClassification(TaskHead):
    """Classifies texts or pairs of texts: one label, several labels, or regression."""

    reads = "sequence"
    output_class = SequenceClassifierOutput

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.loss_type = "ForSequenceClassification"  # whatever a subclass is called
        self.classifier = nn.Linear(self.vector_size, config.num_labels)
        self.post_init()

    def predict(self, out: BaseModelOutputWithPooling, inputs: dict, labels: Tensor | None) -> Predicted:
        """Classifies texts.

        Args:
            out: of the base model.
            inputs: by name.
            labels: [B] int64 (one of K labels), [B, K] float (several of K), or [B] float (regression, K = 1);
                `config.problem_type` decides, or is taken from the labels as transformers does.

        Returns:
            loss, logits [B, K].
        """
        logits = self.classifier(self.dropout(self.sequence_vector(out)))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return {"loss": loss, "logits": logits}


class ForQuestionAnswering(TaskHead):
    """Scores every token as the start and as the end of an answer; without dropout before it, as in BERT."""

    label_names = ("start_positions", "end_positions")
    output_class = QuestionAnsweringModelOutput

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.qa_outputs = nn.Linear(self.vector_size, 2)
        self.post_init()

    def predict(
        self,
        out: BaseModelOutputWithPooling,
        inputs: dict,
        start_positions: Tensor | None,
        end_positions: Tensor | None,
    ) -> Predicted:
        """Scores starts and ends of answers.

        Args:
            out: of the base model.
            inputs: by name.
            start_positions: [B] int64, token of the answer's start; what lies outside of 0..L-1 is not scored.
            end_positions: [B] int64, token of the answer's end, included.

        Returns:
            loss (mean of both cross-entropies), start_logits [B, L], end_logits [B, L].
        """
        logits = self.qa_outputs(out.last_hidden_state)  # [B, L, 2]
        start, end = (side.contiguous() for side in logits.unbind(-1))  # [B, L] each
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = (position_loss(start, start_positions) + position_loss(end, end_positions)) / 2
        return {"loss": loss, "start_logits": start, "end_logits": end}


def position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """The `mean_loss` of positions [B] (or [B, 1]) under logits [B, L]; those outside of 0..L-1 are not scored."""
    positions = positions.view(-1).to(logits.device)
    inside = (positions >= 0) & (positions < logits.shape[1])
    return mean_loss(logits, positions.masked_fill(~inside, IGNORED))


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of labels [...] under logits [..., K]; those that are -100 are not scored.

    0 where none is scored, as in a batch of windows without an answer; transformers' own losses are nan then.
    """
    # sum over count, not "mean": the mean of no label at all is nan
    total = F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


class ForMultipleChoice(TaskHead):
    """Scores each of C choices, e.g. the endings of a story; every input has one more axis: [B, C, L, ...].

    Transformers' DataCollatorForMultipleChoice flattens what follows C; inputs in that shape are taken too.
    """

    reads = "sequence"
    output_class = MultipleChoiceModelOutput

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = nn.Linear(self.vector_size, 1)
        self.post_init()

    def encode(self, inputs: dict[str, Tensor | None], **kwargs: Any) -> BaseModelOutputWithPooling:
        """Every choice as a text of its own: [B, C, ...] -> [B * C, ...]."""
        flat = {name: None if value is None else self._as_texts(name, value) for name, value in inputs.items()}
        return super().encode(flat, **kwargs)

    def _as_texts(self, name: str, value: Tensor) -> Tensor:
        texts, width = value.flatten(0, 1), self.vector_inputs.get(name)  # [B * C, ...]
        # a length that is no multiple of the vector's is left as it is: the base model says which shape it needs
        if width is None or texts.dim() != 2 or texts.shape[1] % width:
            return texts
        # no len() and no -1: the first is a constant to torch.jit.trace, the second is not known where L is 0
        return texts.reshape(texts.shape[0], texts.shape[1] // width, width)  # [B * C, L * width] -> [B * C, L, width]

    def predict(self, out: BaseModelOutputWithPooling, inputs: dict, labels: Tensor | None) -> Predicted:
        """Scores choices.

        Args:
            out: of the base model, over B * C texts.
            inputs: by name, [B, C, ...].
            labels: [B] int64, the right choice, 0..C-1.

        Returns:
            loss, logits [B, C].
        """
        # the inputs by name still have the axis of choices: only what the base model got was flattened
        sizes = next(value.shape[:2] for value in inputs.values() if value is not None)  # B and C; -1 fixes B > 1
        logits = self.classifier(self.dropout(self.sequence_vector(out))).view(sizes)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


__all__ = [
    "ForMaskedLM",
    "ForMultipleChoice",
    "ForPreTraining",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "TaskHead",
    "mean_loss",
    "position_loss",
]
