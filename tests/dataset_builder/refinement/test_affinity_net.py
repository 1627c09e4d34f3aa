import dataclasses
import itertools
import math

import pytest
import torch
from safetensors.torch import save_file

import tiny_world
from dataset_builder.refinement.affinity.augment import ViewOptions, normalised, random_view
from dataset_builder.refinement.affinity.loss import affinity_loss
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import (
    AffinityExample,
    AffinityTraining,
    affinity_features,
    load_affinity_net,
    train_affinity_net,
)
from diffusers_attnmask.ground.damage import DamagedFile
from train_segmenter.training.divergence import Diverged

SMALL = AffinityNetOptions(stride=4, widths=(8, 16, 16), out_channels=32)
TRAINING = AffinityTraining(
    epochs=3, batch_size=2, view=ViewOptions(crop=64), learning_rate=0.005, save_every=2, radius=3
)


def literal_loss(features, labels, radius):
    """Equation 6 of Ahn & Kwak, pair by pair."""
    kinds = {"background": [], "foreground": [], "negative": []}
    places = list(itertools.product(range(labels.shape[0]), range(labels.shape[1])))
    for (a, b), (c, d) in itertools.combinations(places, 2):
        if math.hypot(a - c, b - d) >= radius or 255 in (labels[a, b], labels[c, d]):
            continue
        value = math.exp(-(features[:, a, b] - features[:, c, d]).abs().mean().item())
        if labels[a, b] != labels[c, d]:
            kinds["negative"].append(-math.log(1 + 1e-5 - value))
        else:
            kinds["foreground" if labels[a, b] else "background"].append(-math.log(value + 1e-5))
    mean = {kind: sum(terms) / (len(terms) + 1e-5) for kind, terms in kinds.items()}
    return mean["background"] / 4 + mean["foreground"] / 4 + mean["negative"] / 2


def test_the_loss_is_the_published_one_pair_by_pair():
    torch.manual_seed(0)
    features, labels = torch.rand(5, 9, 8), torch.tensor([0, 1, 2, 255])[torch.randint(4, (9, 8))]
    loss = affinity_loss(features[None], labels[None], radius=4)
    assert loss.item() == pytest.approx(literal_loss(features, labels, radius=4), rel=1e-4)


@pytest.mark.parametrize("value", [255, 0, 1])
def test_labels_without_all_kinds_of_pairs_have_a_finite_loss(value):
    features = torch.rand(1, 4, 6, 6, requires_grad=True)
    loss = affinity_loss(features, torch.full((1, 6, 6), value))
    loss.backward()
    assert loss.isfinite() and features.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        (SMALL, (2, 3, 64, 48), (2, 32, 16, 12)),
        (AffinityNetOptions(), (1, 3, 64, 64), (1, 448, 8, 8)),
        (dataclasses.replace(SMALL, backbone="timm:resnet10t"), (1, 3, 64, 64), (1, 32, 16, 16)),
        (dataclasses.replace(SMALL, backbone="features", in_channels=24), (2, 24, 8, 6), (2, 32, 8, 6)),
    ],
)
def test_features_lie_on_the_grid_of_the_stride(options, shape, expected):
    assert AffinityNet(options).eval()(torch.rand(shape)).shape == expected


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="unknown backbone 'resnet'"):
        AffinityNet(AffinityNetOptions(backbone="resnet"))
    with pytest.raises(ValueError, match="timm has no model 'resnet999'"):
        AffinityNet(AffinityNetOptions(backbone="timm:resnet999"))


def test_pretrained_weights_out_of_reach_are_said_and_done_without(monkeypatch):
    import timm

    create = timm.create_model

    def offline(name, pretrained, **arguments):
        if pretrained:
            raise ConnectionError("no network\nlong story")
        return create(name, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.warns(UserWarning, match="resnet10t starts from random weights: no network$"):
        AffinityNet(dataclasses.replace(SMALL, backbone="timm:resnet10t", pretrained=True))


def test_views_are_crops_that_keep_image_and_labels_together():
    image = torch.randint(256, (80, 70, 3), dtype=torch.uint8)
    labels = image[..., 0].clone()
    plain = ViewOptions(crop=32, brightness=0, contrast=0, saturation=0, hue=0)
    for seed in range(4):
        view, cropped = random_view(image, labels, plain, torch.Generator().manual_seed(seed))
        red = (view[0] * 0.229 + 0.485) * 255
        assert torch.allclose(red, cropped.float(), atol=0.01)
    padded, ignored = random_view(image[:20], labels[:20], plain, torch.Generator())
    assert padded.shape == (3, 32, 32) and (ignored[20:] == 255).all()


def examples():
    pairs = [tiny_world.render(seed)[:2] for seed in range(4)]
    return [
        AffinityExample(torch.from_numpy(image.copy()), torch.from_numpy(mask.copy()))
        for image, mask in pairs
    ]


def trained(out, options=TRAINING, net_options=SMALL, pairs=None, **arguments):
    torch.manual_seed(0)
    net = AffinityNet(net_options)
    losses = train_affinity_net(net, pairs or examples(), options, out, progress=False, **arguments)
    return net, losses


def test_training_lowers_the_loss_and_leaves_a_network_to_load(tmp_path):
    net, losses = trained(tmp_path, dataclasses.replace(TRAINING, epochs=12))
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    image = normalised(examples()[0].inputs)
    loaded = load_affinity_net(tmp_path)
    assert torch.equal(affinity_features(net, image), affinity_features(loaded, image))


def test_an_interrupted_training_ends_with_the_very_same_weights(tmp_path, monkeypatch):
    whole, losses = trained(tmp_path / "whole")

    class Stop(Exception):
        pass

    from dataset_builder.refinement.affinity import training

    save = training._save

    def save_and_stop(*arguments):
        save(*arguments)
        raise Stop

    with monkeypatch.context() as context, pytest.raises(Stop):
        context.setattr(training, "_save", save_and_stop)
        trained(tmp_path / "stopped")
    resumed, rest = trained(tmp_path / "stopped", resume=True)
    assert rest == losses[2:]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_training_goes_on_only_from_what_it_was_begun_with(tmp_path):
    trained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    image, labels = examples()[0].inputs, examples()[0].labels.clone()
    labels[0, 0] = 255  # as other thresholds would make it
    for change, told in (
        ({"options": dataclasses.replace(TRAINING, seed=1)}, r"training\.seed was 0, now 1"),
        ({"net_options": dataclasses.replace(SMALL, stride=8)}, r"network\.stride was 4, now 8"),
        ({"pairs": [AffinityExample(image, labels), *examples()[1:]]}, "examples has changed"),
    ):
        with pytest.raises(ValueError, match=f"begun otherwise: {told}.*remove .* to begin anew"):
            trained(tmp_path, **change, resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert trained(tmp_path, resume=True)[1] == []  # nothing is left to train
    assert (
        len(trained(tmp_path, dataclasses.replace(TRAINING, seed=1))[1]) == 6
    )  # anew, where not asked to resume


def test_training_waits_for_the_device_now_and_then_and_not_each_step(tmp_path, monkeypatch):
    from dataset_builder.refinement.affinity import training

    kept, read = [], []

    def kept_loss(*arguments):
        kept.append(affinity_loss(*arguments))
        return kept[-1]

    item = torch.Tensor.item
    monkeypatch.setattr(training, "affinity_loss", kept_loss)
    monkeypatch.setattr(
        torch.Tensor,
        "item",
        lambda own: read.extend(loss for loss in kept if loss.data_ptr() == own.data_ptr()) or item(own),
    )
    _, losses = trained(tmp_path, dataclasses.replace(TRAINING, epochs=21, save_every=100))
    assert len(losses) == 42 and len(read) == 3  # every 20 steps, and at the end


def test_a_training_that_ends_with_a_loss_that_is_no_number_is_not_kept(tmp_path):
    net = AffinityNet(SMALL)
    torch.nn.init.constant_(next(net.parameters()), float("nan"))
    with pytest.raises(Diverged, match="the loss is nan by step 2: take a smaller learning rate"):
        train_affinity_net(net, examples(), TRAINING, tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_training_whose_step_breaks_its_weights_is_not_kept(tmp_path, monkeypatch):
    def break_weights(own, *_, **__):
        own.param_groups[0]["params"][0].data.fill_(torch.nan)

    monkeypatch.setattr(torch.optim.SGD, "step", break_weights)
    with pytest.raises(Diverged, match="weights are no numbers any more after step 1: take a smaller"):
        trained(tmp_path, dataclasses.replace(TRAINING, save_every=1))
    assert not list(tmp_path.iterdir())


def test_given_features_train_too(tmp_path):
    torch.manual_seed(0)
    net = AffinityNet(AffinityNetOptions("features", in_channels=6, widths=(8,), out_channels=8))
    labels = (torch.arange(32)[None] // 16).expand(32, 32).to(torch.uint8)
    features = torch.rand(6, 8, 8) + torch.arange(8)[None, None] // 4
    losses = train_affinity_net(
        net,
        [AffinityExample(features, labels)] * 4,
        dataclasses.replace(TRAINING, epochs=20),
        tmp_path,
        progress=False,
    )
    assert losses[-1] < losses[0]
    assert affinity_features(net, features).shape == (8, 8, 8)


def test_no_examples_and_no_network_are_named(tmp_path):
    with pytest.raises(ValueError, match="no examples"):
        train_affinity_net(AffinityNet(SMALL), [], TRAINING, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors"):
        load_affinity_net(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_damaged_states_and_networks_are_refused_by_name(tmp_path, kept):
    trained(tmp_path, dataclasses.replace(TRAINING, epochs=1))
    for name, read in (
        ("training.safetensors", lambda: trained(tmp_path, resume=True)),
        ("model.safetensors", lambda: load_affinity_net(tmp_path)),
    ):
        file = tmp_path / name
        file.write_bytes(file.read_bytes()[:kept])
        with pytest.raises(DamagedFile, match=name.replace(".", r"\.")):
            read()


def test_a_state_that_says_nothing_of_its_origin_is_refused(tmp_path):
    trained(tmp_path, dataclasses.replace(TRAINING, epochs=1))
    save_file({"a": torch.zeros(1)}, tmp_path / "training.safetensors")
    with pytest.raises(DamagedFile, match=r"training\.safetensors cannot be read as a model"):
        trained(tmp_path, resume=True)
