#!/usr/bin/env python3
"""The study's question in PyTorch: a ResNet-20 from CIFAR-10 on Fashion-MNIST from scratch, tuned, and frozen.

    python3 scripts/torch_regimes.py resnet20-12fca82f.th [DATA_DIR] [--epochs N] [--threads N] [--seeds 0,1] [--regimes scratch] [--device cuda]

The peer of the presets resnet20-cifar-scratch, -finetune and -frozen: pictures padded to 32 × 32, repeated to three channels,
normalised as on CIFAR-10, Adam at 1e-3, batches of 64. Frozen trains the last layer for twenty epochs on features computed once, batch
norm in evaluation mode. Prints a line an epoch: regime, seed, epoch, test accuracy, seconds of training.
"""
import argparse
import gzip
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cifar_resnet import CifarResNet

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def idx(path, header):
    return torch.from_numpy(np.frombuffer(gzip.open(path).read(), np.uint8, offset=header).copy())


def load(directory, part):
    images = idx(directory / f"{part}-images-idx3-ubyte.gz", 16).view(-1, 28, 28)
    return images, idx(directory / f"{part}-labels-idx1-ubyte.gz", 8).long()


def network(images):
    """What the network sees of grey pictures."""
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


def say(regime, seed, number, share, seconds):
    print(f"{regime:10} seed {seed}  epoch {number:2}  test {share:.4f}  {seconds:6.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("data", nargs="?", default="/usr/share/datasets/fashion-mnist", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=3, help="of the two regimes that train everything")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; there convolutions and products in whole f32, as on a CPU")
    parser.add_argument("--seeds", default="0", help="of weights, order and so on, by commas")
    parser.add_argument("--regimes", default="scratch,finetune,frozen")
    options = parser.parse_args()
    regimes = options.regimes.split(",")
    if unknown := set(regimes) - {"scratch", "finetune", "frozen"}:
        parser.error(f"no regime {', '.join(unknown)}: there are scratch, finetune and frozen")
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    (images, labels), (test_images, test_labels) = (
        [part.to(options.device) for part in load(options.data, name)] for name in ("train", "t10k")
    )
    saved = torch.load(options.weights, map_location=options.device, weights_only=True)["state_dict"]
    saved = {name.removeprefix("module."): values for name, values in saved.items()}

    for seed in options.seeds.split(","):
        for regime in regimes:
            torch.manual_seed(int(seed))
            if regime == "frozen":
                train_head(seed, saved, (images, labels), (test_images, test_labels))
                continue
            model = CifarResNet(3).to(options.device)
            if regime == "finetune":
                model.load_state_dict(saved)
                model.linear = nn.Linear(64, 10).to(options.device)
            optimizer = torch.optim.Adam(model.parameters(), 1e-3)
            for number in range(1, options.epochs + 1):
                seconds = epoch(model, optimizer, images, labels, network)
                say(regime, seed, number, accuracy(outputs(model, test_images, network), test_labels), seconds)


def train_head(seed, saved, train, test):
    model = CifarResNet(3).to(train[1].device)
    model.load_state_dict(saved)
    model.linear = nn.Identity()
    begun = time.perf_counter()
    features, test_features = outputs(model, train[0], network), outputs(model, test[0], network)
    print(f"frozen     features computed in {time.perf_counter() - begun:.1f} s", flush=True)
    head = nn.Linear(64, 10).to(train[1].device)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    for number in range(1, 21):
        seconds = epoch(head, optimizer, features, train[1])
        if number in (1, 20):
            say("frozen", seed, number, accuracy(outputs(head, test_features), test[1]), seconds)


main()
