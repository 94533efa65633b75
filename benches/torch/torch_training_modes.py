#!/usr/bin/env python3
"""The three training modes in PyTorch: a ResNet-20 from scratch, fine-tuned from CIFAR-10 weights, and frozen.

    benches/torch/torch_training_modes.py --weights resnet20-12fca82f.th [--data-dir DIR] [--epochs N] [--seeds 0,1]
    benches/torch/torch_training_modes.py --modes scratch

PyTorch's side of the presets resnet20-cifar-scratch, -finetune and -frozen: images padded to 32 × 32, repeated to
three channels, normalised as on CIFAR-10, Adam at 1e-3, batches of 64. Frozen trains the last layer for twenty
epochs on features computed once, batch norm in evaluation mode. The weights are
pretrained_models/resnet20-12fca82f.th of github.com/akamaster/pytorch_resnet_cifar10; from scratch needs none.
Prints a line per epoch: training mode, seed, epoch, test accuracy, seconds of training. Needs torch.
"""
import argparse
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import common

sys.path.insert(0, str(common.ROOT / "scripts"))
from cifar_resnet import CifarResNet  # noqa: E402

# What the weights' training on CIFAR-10 normalised by.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MODES = ["scratch", "finetune", "frozen"]


def load(directory, split):
    shape, pixels = common.read_idx(directory, f"{split}-images-idx3-ubyte")
    _, labels = common.read_idx(directory, f"{split}-labels-idx1-ubyte")
    images = torch.frombuffer(pixels, dtype=torch.uint8).reshape(shape)
    return images, torch.frombuffer(labels, dtype=torch.uint8).long()


def network(images):
    """What the network sees of grey images."""
    x = F.pad(images.float() / 255, (2, 2, 2, 2))[:, None].expand(-1, 3, -1, -1)
    mean, deviation = (torch.tensor(of, device=x.device).view(1, 3, 1, 1) for of in (MEAN, STD))
    return (x - mean) / deviation


def epoch(model, optimizer, inputs, labels, prepare=lambda x: x):
    begun = time.perf_counter()
    for batch in torch.randperm(len(labels)).to(labels.device).split(64):
        optimizer.zero_grad()
        F.cross_entropy(model(prepare(inputs[batch])), labels[batch]).backward()
        optimizer.step()
    if labels.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun


@torch.no_grad()
def outputs(model, inputs, prepare=lambda x: x):
    model.eval()
    result = torch.cat([model(prepare(part)) for part in inputs.split(500)])
    model.train()
    return result


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).double().mean().item()


def say(mode, seed, number, share, seconds):
    print(f"{mode:10} seed {seed}  epoch {number:2}  test {share:.4f}  {seconds:6.1f} s", flush=True)


def train_everything(options, mode, seed, saved, train, test):
    model = CifarResNet(3).to(options.device)
    if mode == "finetune":
        model.load_state_dict(saved)
        model.linear = nn.Linear(64, 10).to(options.device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for number in range(1, options.epochs + 1):
        seconds = epoch(model, optimizer, *train, network)
        say(mode, seed, number, accuracy(outputs(model, test[0], network), test[1]), seconds)


def train_head(options, seed, saved, train, test):
    model = CifarResNet(3).to(options.device)
    model.load_state_dict(saved)
    model.linear = nn.Identity()
    begun = time.perf_counter()
    features, test_features = outputs(model, train[0], network), outputs(model, test[0], network)
    print(f"frozen     features computed in {time.perf_counter() - begun:.1f} s", flush=True)
    head = nn.Linear(64, 10).to(options.device)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    for number in range(1, 21):
        seconds = epoch(head, optimizer, features, train[1])
        if number in (1, 20):
            say("frozen", seed, number, accuracy(outputs(head, test_features), test[1]), seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", metavar="FILE", help="CIFAR-10 weights; needed by finetune and frozen")
    common.add_data_dir(parser)
    parser.add_argument("--epochs", type=int, default=3, help="of scratch and finetune (default 3)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda, which computes in whole f32 too")
    parser.add_argument("--seeds", type=common.numbers, default=[0], help="separated by commas (default 0)")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=MODES, help=f"default {','.join(MODES)}")
    options = parser.parse_args()
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"--modes: there is no {', '.join(sorted(unknown))}; choose from {', '.join(MODES)}")
    if options.weights is None and options.modes != ["scratch"]:
        parser.error("finetune and frozen need --weights; or give --modes scratch")
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    train, test = ([part.to(options.device) for part in load(options.data_dir, name)] for name in ("train", "t10k"))
    saved = None
    if options.weights is not None:
        saved = torch.load(options.weights, map_location=options.device, weights_only=True)["state_dict"]
        saved = {name.removeprefix("module."): values for name, values in saved.items()}
    for seed in options.seeds:
        for mode in options.modes:
            torch.manual_seed(seed)
            if mode == "frozen":
                train_head(options, seed, saved, train, test)
            else:
                train_everything(options, mode, seed, saved, train, test)


if __name__ == "__main__":
    main()
