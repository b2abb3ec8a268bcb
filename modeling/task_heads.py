"""From logits and labels to what a task head returns, the same for every model family.

Axes: B batch, L length, V vocabulary, K labels. `model` is the head (its `loss_function` is transformers'), `out` what
its encoder returned.
"""

from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutput,
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)


def masked_lm_output(
    model: PreTrainedModel, out: BaseModelOutput, logits: Tensor, labels: Tensor | None
) -> MaskedLMOutput:
    """Logits [B, L, V] and labels [B, L] int64 (-100 = not scored): the mean over the scored places."""
    loss = None if labels is None else model.loss_function(logits, labels, model.config.vocab_size)
    return MaskedLMOutput(loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions)


def sequence_output(
    model: PreTrainedModel, out: BaseModelOutput, logits: Tensor, labels: Tensor | None
) -> SequenceClassifierOutput:
    """Logits [B, K] and labels as `config.problem_type` says: one label, several labels, or regression."""
    loss = None
    if labels is not None:
        loss = model.loss_function(labels=labels, pooled_logits=logits, config=model.config)
    return SequenceClassifierOutput(
        loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions
    )


def token_output(
    model: PreTrainedModel,
    out: BaseModelOutput,
    logits: Tensor,
    labels: Tensor | None,
    attention_mask: Tensor | None,
) -> TokenClassifierOutput:
    """Logits [B, L, K] and labels [B, L] int64 (-100 = not scored; where a mask [B, L] is 0 nothing is scored)."""
    loss = None
    if labels is not None:
        if attention_mask is not None and attention_mask.dim() == 2:
            labels = labels.masked_fill(attention_mask != 1, -100)
        loss = model.loss_function(logits, labels, model.config)
    return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions)


def span_output(
    out: BaseModelOutput, logits: Tensor, start_positions: Tensor | None, end_positions: Tensor | None
) -> QuestionAnsweringModelOutput:
    """Logits [B, L, 2] and positions [B] int64: the mean of both ends' losses (`position_loss`)."""
    start, end = (side.contiguous() for side in logits.unbind(-1))  # [B, L]
    loss = None
    if start_positions is not None and end_positions is not None:
        loss = (position_loss(start, start_positions) + position_loss(end, end_positions)) / 2
    return QuestionAnsweringModelOutput(
        loss=loss, start_logits=start, end_logits=end, hidden_states=out.hidden_states, attentions=out.attentions
    )


def position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """Mean cross-entropy of positions [B] (or [B, 1]) under logits [B, L]; those outside of 0..L-1 are not scored.

    0 where none is scored, e.g. in a batch of windows without an answer.
    """
    positions = positions.view(-1).to(logits.device)
    inside = (positions >= 0) & (positions < logits.shape[1])
    targets = positions.masked_fill(~inside, -100)
    return F.cross_entropy(logits.float(), targets, reduction="sum") / inside.sum().clamp(min=1)


__all__ = ["masked_lm_output", "position_loss", "sequence_output", "span_output", "token_output"]
