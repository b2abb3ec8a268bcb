"""The CNNs of Table 11 beside the paper's own: written out once more, and as large as it."""

import pytest
import torch
from test_glyph_cnn import make_config, make_images
from torch.nn import functional as F

from hanziformers import GlyceConfig
from hanziformers.modeling.plain_cnns import ResNetCNN, VanillaCNN
from hanziformers.modeling.tianzige import TianzigeCNN


def test_sizes_that_can_be_compared():
    counts = {
        cnn: sum(p.numel() for p in cnn(GlyceConfig()).parameters()) for cnn in (TianzigeCNN, VanillaCNN, ResNetCNN)
    }
    assert counts == {TianzigeCNN: 305_408, VanillaCNN: 284_000, ResNetCNN: 291_020}


def test_vanilla_is_what_it_says():
    cnn, images = VanillaCNN(make_config(glyph_normalize=False)), make_images() / 255
    hidden = F.max_pool2d(F.conv2d(images, cnn.conv1.weight, cnn.conv1.bias, padding=1).relu(), 2)
    hidden = F.adaptive_max_pool2d(F.conv2d(hidden, cnn.conv2.weight, cnn.conv2.bias, padding=1).relu(), 2)
    torch.testing.assert_close(cnn(images), F.linear(hidden.flatten(1), cnn.linear.weight, cnn.linear.bias).relu())


@pytest.mark.parametrize("size", [9, 12])
def test_resnet_is_what_it_says(size):
    cnn, images = (
        ResNetCNN(make_config(glyph_normalize=False, glyph_size=size, glyph_dim=64)),
        make_images(size=size) / 255,
    )

    def conv(hidden, layer, stride=1, padding=1):
        return F.conv2d(hidden, layer.weight, layer.bias, stride=stride, padding=padding)

    def norm(hidden):  # new ones have the weights 1 and 0
        return F.layer_norm(hidden, hidden.shape[1:])

    hidden = conv(images, cnn.conv1).relu()
    hidden = (norm(conv(norm(conv(hidden, cnn.block1.conv1)).relu(), cnn.block1.conv2)) + hidden).relu()
    inner = norm(conv(norm(conv(hidden, cnn.block2.conv1, stride=2)).relu(), cnn.block2.conv2))
    hidden = (inner + conv(hidden, cnn.block2.shortcut, stride=2, padding=0)).relu()
    means = F.adaptive_avg_pool2d(hidden, 2).flatten(1)
    wanted = F.linear(means, cnn.linear.weight, cnn.linear.bias).relu()
    torch.testing.assert_close(cnn(images), wanted, rtol=1e-4, atol=1e-5)
