"""The tap hears one comparison per layer, and what diffusers asks of a processor is answered as before."""

import inspect

import pytest
import torch
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    AttnProcessor2_0,
    IPAdapterAttnProcessor2_0,
    SlicedAttnProcessor,
)

from diffusers_attnmask.attention.probabilities import probabilities
from diffusers_attnmask.attention.tap import Comparison, tapped, tapped_processor


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return Attention(query_dim=8, cross_attention_dim=6, heads=2, dim_head=4)


def heard_by(layer, *inputs, **options):
    calls = []
    with tapped({layer: calls.append}), torch.no_grad():
        output = layer(*inputs, **options)
    return calls, output


@pytest.mark.parametrize(
    "processor", [AttnProcessor2_0(), AttnProcessor(), SlicedAttnProcessor(1), SlicedAttnProcessor(3)]
)
def test_every_processor_tells_the_same_comparison_and_keeps_its_output(layer, processor):
    image, text = torch.randn(3, 5, 8), torch.randn(3, 7, 6)
    layer.set_processor(processor)
    with torch.no_grad():
        expected = layer(image, text)
        logits = torch.einsum(
            "bqhd,bkhd->bhqk", *(x.view(3, -1, 2, 4) for x in (layer.to_q(image), layer.to_k(text)))
        )
    (call,), output = heard_by(layer, image, text)
    assert torch.equal(output, expected)
    assert torch.allclose(probabilities(call), (logits / 2).softmax(-1), atol=1e-6)


def test_an_attention_mask_is_part_of_the_comparison(layer):
    image, text = torch.randn(1, 5, 8), torch.randn(1, 7, 6)
    mask = torch.zeros(1, 1, 7)
    mask[..., 4:] = -torch.inf
    for processor in (AttnProcessor2_0(), AttnProcessor(), SlicedAttnProcessor(1)):
        layer.set_processor(processor)
        (call,), _ = heard_by(layer, image, text, attention_mask=mask)
        shown = probabilities(call)
        assert shown[..., 4:].abs().max() == 0
        assert torch.allclose(shown.sum(-1), torch.ones(()))


def test_a_boolean_mask_hides_keys():
    query, key = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    visible = torch.tensor([True, True, False, True, False])
    shown = probabilities(Comparison(query, key, 0.5, visible))
    assert torch.equal(shown[..., ~visible], torch.zeros(2, 3, 2))


def test_an_image_adapters_comparison_is_not_told(layer):
    layer.set_processor(IPAdapterAttnProcessor2_0(hidden_size=8, cross_attention_dim=6, num_tokens=(2,)))
    image, text, picture = torch.randn(1, 5, 8), torch.randn(1, 7, 6), torch.randn(1, 1, 2, 6)
    calls, _ = heard_by(layer, image, (text, [picture]))
    assert [call.key.shape for call in calls] == [(1, 2, 7, 4)]


def test_a_twin_looks_like_its_processor(layer):
    processor = IPAdapterAttnProcessor2_0(hidden_size=8, cross_attention_dim=6, num_tokens=(2,))
    own = tapped_processor(processor, lambda call: None)
    assert isinstance(own, IPAdapterAttnProcessor2_0)
    assert inspect.signature(own.__call__) == inspect.signature(processor.__call__)
    own.scale[0] = 0.25
    assert processor.scale == [0.25]
    assert [id(weight) for weight in own.parameters()] == [id(weight) for weight in processor.parameters()]


def test_processors_are_put_back_when_the_layer_raises(layer):
    before = layer.processor
    with pytest.raises(RuntimeError), tapped({layer: lambda call: None}):
        layer(torch.randn(1, 5, 3))
    assert layer.processor is before


def test_a_processor_set_meanwhile_stays(layer):
    chosen = AttnProcessor()
    with tapped({layer: lambda call: None}):
        layer.set_processor(chosen)
    assert layer.processor is chosen
