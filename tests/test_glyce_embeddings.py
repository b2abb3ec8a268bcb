"""GlyceEmbedding in the place of an `nn.Embedding`: features, merging, what it costs, and the README's example."""

import copy
import pickle

import pytest
import torch
from test_glyph_cnn import make_config, make_images
from test_tianzige import close, needs_oracles, published, released
from torch import nn
from transformers import PreTrainedModel

from hanziformers import GlyceConfig, GlyceEmbedding
from hanziformers.modeling.glyph_cnn import CnnConv, CnnLinear
from hanziformers.modeling.highway import Highway

README_EXAMPLE = """
import torch
from torch import nn
from hanziformers import GlyceConfig, GlyceEmbedding, HanziGlyphImageProcessor

characters = ["[PAD]", "[UNK]", *sorted(set("今天天气很好，我们去公园散步。"))]
config = GlyceConfig(vocab_size=len(characters), glyph_styles=["song", "kai", "seal"], glyph_dim=256)
images = HanziGlyphImageProcessor(config.glyph_styles, config.glyph_size, config.glyph_binary, render_words=False)
embedding = GlyceEmbedding(config, images.render(characters), id_dim=64)  # where an nn.Embedding was
lstm = nn.LSTM(embedding.embedding_dim, 128, batch_first=True, bidirectional=True)
classifier = nn.Linear(256, 3)
ids = torch.tensor([[characters.index(character) for character in "今天天气很好"]])
logits = classifier(lstm(embedding(ids))[0])  # [1, 6, 3]
loss = nn.functional.cross_entropy(logits[0], torch.tensor([0, 1, 0, 1, 2, 2]))
(0.9 * loss + 0.1 * embedding.image_loss(ids)).backward()  # image classification keeps the CNN from overfitting
"""
N, IDS = 20, torch.tensor([[1, 5, 7, 5, 0], [19, 1, 1, 0, 0]])


def build(glyph_dropout=0.0, fields=None, **arguments):
    """An embedding of 20 characters, of which the first three have no ink."""
    images = make_images(N)
    images[:3] = 0
    config = make_config(vocab_size=N, glyph_dropout=glyph_dropout, **(fields or {}))
    glyphs = None if arguments.get("features") == "ids" else images
    return GlyceEmbedding(config, glyphs, **{"id_dim": 6, **arguments})


def sizes_of_calls(embedding):
    """How many images the CNN gets, call by call: fills up."""
    sizes, cnn = [], embedding.bank.encoder
    cnn.features, features = lambda images: sizes.append(len(images)) or features(images), cnn.features
    return sizes


@pytest.mark.parametrize("features", ["both", "glyph", "ids"])
@pytest.mark.parametrize("merge", ["concat", "highway", "projection"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_vectors(features, merge, batch_norm):
    output = {} if merge == "concat" else {"output_dim": 10}
    embedding = build(features=features, merge=merge, fields={"glyph_batch_norm": batch_norm}, **output).eval()
    parts = []
    if features != "glyph":
        parts.append(embedding.ids.weight[IDS])
    if features != "ids":
        parts.append(embedding.bank.encoder(embedding.bank.glyphs[IDS.flatten()] / 255).view(2, 5, 32))
    wanted = torch.cat(parts, dim=-1)
    assert wanted.shape[-1] == {"both": 38, "glyph": 32, "ids": 6}[features]
    if batch_norm:
        wanted = wanted / (1 + 1e-5) ** 0.5
    if merge == "highway":
        assert isinstance(embedding.merge, Highway)
        wanted = embedding.merge(wanted)
    elif merge == "projection":
        wanted = embedding.merge[0](wanted).relu()
    found = embedding(IDS)
    torch.testing.assert_close(found, wanted)
    assert found.shape == (2, 5, embedding.embedding_dim)
    assert embedding.num_embeddings == N
    assert embedding.padding_idx == 0


@pytest.mark.parametrize("shape", [(10,), (5, 2), (1, 2, 5), (0, 4)])
def test_ids_of_any_shape(shape):
    embedding, ids = build().eval(), IDS.flatten()[: torch.Size(shape).numel()].view(shape)
    torch.testing.assert_close(embedding(ids), embedding(ids.flatten()).view(*shape, 38))


def test_projection_keeps_the_width_unless_told():
    assert build(merge="projection").embedding_dim == build(merge="highway").embedding_dim == 38


def test_characters_are_encoded_once():
    embedding = build()
    sizes = sizes_of_calls(embedding)
    embedding(IDS)
    embedding.forward_with_loss(IDS)
    embedding.image_loss(IDS)
    assert sizes == [5, 5, 5]  # distinct ones, in training
    embedding.eval()
    sizes.clear()
    with torch.no_grad():
        for ids in (IDS, IDS, IDS.flip(0), torch.tensor([[5, 8]])):
            embedding(ids)
    assert sizes == [5, 1]  # each once for good
    embedding.bank.encoder.requires_grad_(False)
    sizes.clear()
    embedding.train()(IDS)
    embedding.train()(torch.tensor([[5, 9]]))
    assert sizes == [1]  # a frozen CNN's vectors are kept in training, too


def test_dropout_is_of_each_copy():
    embedding = build(glyph_dropout=0.5, features="glyph")
    embedding.bank.encoder.reweight_conv.bias.data.fill_(5.0)
    first, second = embedding(torch.tensor([5, 5]))
    assert not torch.equal(first == 0, second == 0)
    assert torch.equal(*embedding.eval()(torch.tensor([5, 5])))


def test_image_loss():
    embedding = build(glyph_dropout=0.5)
    embedding.bank.encoder.double(), embedding.classification.double()
    vectors = embedding.bank(IDS)
    scored = IDS > 2  # the first three have no ink
    logits = embedding.classification.dense(vectors[scored])
    wanted = nn.functional.cross_entropy(logits, IDS[scored]).item()
    assert embedding.image_loss(IDS).item() == pytest.approx(wanted, abs=1e-6)
    assert embedding.forward_with_loss(IDS)[1].item() == pytest.approx(wanted, abs=1e-6)
    one = embedding.image_loss(IDS, IDS == 19).item()
    assert one == pytest.approx(nn.functional.cross_entropy(logits[-1:], IDS[scored][-1:]).item(), abs=1e-6)
    assert embedding.image_loss(IDS, IDS == 1).item() == 0


def test_vectors_do_not_depend_on_asking_for_the_loss():
    embedding = build()
    torch.testing.assert_close(embedding.forward_with_loss(IDS)[0], embedding(IDS))


@needs_oracles
def test_published_numbers():
    weights, numbers = published("char_concat")
    ids = torch.from_numpy(numbers["ids"])
    config = released(32, 1, 8, 13, vocab_size=36, glyph_batch_norm=False)
    embedding = GlyceEmbedding(config, weights.pop("glyph_embeddings.0").byte(), id_dim=16).eval()
    parts = {
        "char_embedding": embedding.ids,
        "glyph_cnn_model": embedding.bank.encoder,
        "glyph_classifier": embedding.classification.dense,
    }
    for name, part in parts.items():
        found = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
        part.load_state_dict(found)
    close(embedding(ids), numbers["y"])
    loss = embedding.classification(ids, embedding.bank(ids), ids > 1)  # [CLS] and [SEP] count there
    assert loss.item() == pytest.approx(float(numbers["glyph_loss"]), rel=1e-6)


def test_saving_copying_and_half_precision():
    embedding, other = build().eval(), build().eval()
    other.load_state_dict(embedding.state_dict())  # images and statistics are in it
    for same in (other, copy.deepcopy(embedding), pickle.loads(pickle.dumps(embedding))):
        assert torch.equal(same(IDS), embedding(IDS))
    wanted = embedding(IDS)
    half = embedding.bfloat16()(IDS)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, atol=0.1, rtol=0.1)


def test_new_images_make_new_vectors():
    embedding = build().eval()
    with torch.no_grad():
        before = embedding(IDS)
        embedding.set_glyphs(255 - embedding.bank.glyphs[5:6], [5])
        after = embedding(IDS)
    changed = (before != after).any(-1)
    assert torch.equal(changed, IDS == 5)


@pytest.mark.parametrize("ids", [[[1, 20]], [[-1, 2]]])
@pytest.mark.parametrize("features", ["both", "ids"])
def test_ids_that_do_not_exist(ids, features):
    with pytest.raises(ValueError, match=r"ids holds (20|-1); allowed are 0 to 19 .*vocab_size"):
        build(features=features)(torch.tensor(ids))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": "id"}, "features='id' is not allowed; allowed is 'both' or 'glyph' or 'ids'"),
        ({"merge": "add"}, "merge='add' is not allowed"),
        ({"merge": "concat", "output_dim": 5}, 'output_dim=5 is not allowed with merge="concat"'),
        ({"merge": "highway", "output_dim": 0}, "output_dim=0 is not allowed"),
        ({"id_dim": 0}, "id_dim=0 is not allowed"),
        ({"id_dim": 6.5}, "id_dim=6.5 is not allowed; allowed is an integer"),
        ({"fields": {"use_glyphs": False}}, "features='both' is not allowed with use_glyphs=False"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_what_an_embedding_lacks():
    with pytest.raises(ValueError, match='features="ids" has no glyph images'):
        build(features="ids").set_glyphs(make_images(N))
    with pytest.raises(ValueError, match='features="ids" has no image-classification loss'):
        build(features="ids").image_loss(IDS)
    with pytest.raises(ValueError, match="use_image_loss=False"):
        build(fields={"use_image_loss": False}).forward_with_loss(IDS)
    with pytest.raises(ValueError, match="glyph images have the shape"):
        build().set_glyphs(make_images(N, size=8))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_ids_of_any_type_of_integer(dtype):
    embedding = build(features="both").eval()
    assert torch.equal(embedding(IDS.to(dtype)), embedding(IDS))
    assert torch.equal(embedding.image_loss(IDS.to(dtype)), embedding.image_loss(IDS))


@pytest.mark.parametrize("ids", [[1, 2], IDS.numpy(), IDS.float(), IDS > 0])
@pytest.mark.parametrize("features", ["both", "ids"])
def test_ids_that_are_no_integers(ids, features):
    with pytest.raises(TypeError, match="needed is a tensor of integers"):
        build(features=features)(ids)


def test_masks_of_the_image_loss():
    embedding, mask = build().eval(), IDS > 4
    wanted = embedding.image_loss(IDS, mask)
    for same in (mask.long(), mask.float(), 2 * mask.int()):
        assert torch.equal(embedding.image_loss(IDS, same), wanted)
        assert torch.equal(embedding.forward_with_loss(IDS, same)[1], wanted)
    for wrong in (mask[:1], mask[0], mask[..., None]):
        with pytest.raises(ValueError, match="mask has the shape"):
            embedding.image_loss(IDS, wrong)


@pytest.mark.parametrize("features", ["both", "glyph"])
def test_padding_trains_nothing(features):
    """As in an `nn.Embedding`."""
    embedding = build(features=features)
    embedding(torch.zeros(2, 3, dtype=torch.long)).square().sum().backward()
    assert not any(weight.grad.any() for weight in embedding.parameters() if weight.grad is not None)
    ids = torch.tensor([[1, 5, 0, 0, 0]])
    gradients = []
    for given in (ids, ids[:, :2]):
        embedding.zero_grad()
        embedding(given).square().sum().backward()
        gradients.append([weight.grad.clone() for weight in embedding.bank.parameters()])
    torch.testing.assert_close(*gradients)
    free = build(features=features, fields={"pad_token_id": None})
    free(torch.zeros(2, 3, dtype=torch.long)).square().sum().backward()
    assert free.bank.encoder.conv1.bias.grad.any()


def test_a_character_in_the_place_of_padding_is_warned_of(warnings):
    embedding = build()
    embedding.set_glyphs(make_images(1), [1])
    assert not warnings
    build(fields={"pad_token_id": None}).set_glyphs(make_images(N))
    assert not warnings
    embedding.set_glyphs(make_images(N))
    assert any("image of padding, id 0, is not blank" in message for message in warnings)


class Host(PreTrainedModel):
    """A model of somebody's own with a GlyceEmbedding inside."""

    config_class = GlyceConfig

    def __init__(self, config):
        super().__init__(config)
        self.embedding = GlyceEmbedding(config, id_dim=6)
        self.post_init()


def test_inside_of_a_model_that_from_pretrained_builds(tmp_path):
    host = Host(make_config(vocab_size=N, glyph_dropout=0.0)).eval()
    host.embedding.set_glyphs(make_images(N))
    host.save_pretrained(tmp_path)
    again = Host.from_pretrained(tmp_path).eval()
    assert torch.equal(again.embedding(IDS), host.embedding(IDS))
    assert torch.equal(again.embedding.bank.encoder.std, host.embedding.bank.encoder.std)


@pytest.mark.parametrize("kind", ["tianzige", "vanilla", "resnet"])
def test_a_model_around_it_leaves_its_cnn_alone(kind):
    encoder = Host(make_config(vocab_size=N, glyph_cnn=kind, glyph_dim=256)).embedding.bank.encoder
    for part in encoder.modules():
        if isinstance(part, CnnConv | CnnLinear):
            assert part.weight.std().item() == pytest.approx((2 / part.weight[0].numel()) ** 0.5, rel=0.15)


def test_on_the_meta_device_there_are_no_images():
    with torch.device("meta"):
        embedding = GlyceEmbedding(make_config(vocab_size=N, glyph_dropout=0.0), id_dim=6).eval()
        assert embedding(torch.zeros(2, 3, dtype=torch.long)).shape == (2, 3, 38)
        with pytest.raises(ValueError, match="cannot be written on the meta device"):
            embedding.set_glyphs(make_images(N))
    wanted = build().eval()
    embedding.load_state_dict(wanted.state_dict(), assign=True)
    assert torch.equal(embedding(IDS), wanted(IDS))


def test_without_images_it_warns(warnings):
    GlyceEmbedding(make_config(vocab_size=N))(IDS)
    assert any("the embedding holds no glyph images" in message for message in warnings)


def test_the_readme_example_runs_and_learns():
    names = {}
    exec(README_EXAMPLE, names)
    embedding, lstm, classifier, ids = (names[name] for name in ("embedding", "lstm", "classifier", "ids"))
    assert names["logits"].shape == (1, 6, 3)
    model = nn.ModuleList([embedding, lstm, classifier])
    assert all(weight.grad is not None for weight in model.parameters())
    optimizer, labels = torch.optim.Adam(model.parameters(), 3e-3), torch.tensor([0, 1, 0, 1, 2, 2])
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classifier(lstm(embedding(ids))[0])[0], labels).backward()
        optimizer.step()
    model.eval()
    assert torch.equal(classifier(lstm(embedding(ids))[0])[0].argmax(-1), labels)


def test_a_compiled_graph_gives_the_same_and_serves_other_batches():
    embedding = build(merge="highway").eval()
    compiled = torch.compile(embedding, fullgraph=True, backend="eager", dynamic=True)
    traced = torch.jit.trace(embedding, IDS, check_trace=False)
    for ids in (IDS, IDS.flip(1)[:, :3]):
        torch.testing.assert_close(compiled(ids), embedding(ids))
        torch.testing.assert_close(traced(ids), embedding(ids))


def test_characters_of_an_example_alone():
    """They have images, and no ids: a bank takes them beside its own rows."""
    embedding = build(features="glyph").eval()
    extras = make_images(6).view(2, 3, -1)
    ids = torch.tensor([[5, N + 2, N], [N, 1, N + 1]])
    found = embedding(ids, extras)
    cnn, images = embedding.bank.encoder, extras.view(2, 3, *embedding.bank.glyphs.shape[1:])
    torch.testing.assert_close(found[0, 1:], cnn(images[0, [2, 0]] / 255))
    torch.testing.assert_close(found[1, [0, 2]], cnn(images[1, [0, 1]] / 255))
    torch.testing.assert_close(found[0, 0], embedding(torch.tensor([5]))[0])
    vectors, loss = embedding.forward_with_loss(ids, extra_glyphs=extras)
    torch.testing.assert_close(vectors, found)
    torch.testing.assert_close(loss, embedding.image_loss(torch.tensor([[5]])))  # they have no class, 1 has no ink
    torch.testing.assert_close(loss, embedding.image_loss(ids, extra_glyphs=extras))
    with pytest.raises(ValueError, match="glyph_ids holds 23; allowed are 0 to 22"):
        embedding(ids + 1, extras)
    with pytest.raises(ValueError, match='extra_glyphs are not allowed beside embeddings of ids.*features="glyph"'):
        build()(ids, extras)


def test_classes_of_the_image_classification():
    assert build().classification.dense.out_features == N
    assert build(features="glyph", classes=7).classification.dense.out_features == 7
