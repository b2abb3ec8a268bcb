"""Highway layers against the published ones' numbers and the equation."""

import pytest
import torch
from test_tianzige import close, needs_oracles, published

from hanziformers.modeling.highway import Highway


@needs_oracles
def test_published_numbers():
    weights, numbers = published("highway")
    highway = Highway(10, 6, layers=2)
    highway.load_state_dict(weights)  # strict, and under their own names
    close(highway(torch.from_numpy(numbers["x"])), numbers["y"])


@pytest.mark.parametrize("layers", [1, 3])
def test_equal_to_the_equation(layers):
    highway, x = Highway(5, 4, layers), torch.randn(2, 3, 5)
    wanted = x
    for gate, nonlinear, linear in zip(highway.gate, highway.nonlinear, highway.linear, strict=True):
        s = torch.sigmoid(gate(wanted))
        wanted = s * torch.relu(nonlinear(wanted)) + (1 - s) * linear(wanted)
    torch.testing.assert_close(highway(x), wanted)
