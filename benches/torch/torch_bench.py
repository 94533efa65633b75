#!/usr/bin/env python3
"""PyTorch's side of the comparisons: trains a network of the speed comparison and prints one JSON line.

    torch_bench.py D --mode eager --steps 200            # training speed: images per second, median of the chunks
    torch_bench.py lenet5 --task accuracy --epochs 3     # test accuracy after every epoch

NETWORK is a preset of fmtui or its letter: A mlp-100-100-50, B lenet5, C modern-lenet, D improved-cnn,
E resnet18-scratch at 28 × 28. Adam at 1e-3; images normalised and in memory. Keys are those of `fmtui bench --json`.

Modes: eager, compile (torch.compile), compile_graphs (with CUDA graphs), channels_last (memory layout), bf16
(autocast), channels_last_bf16, dataloader (torchvision's data set behind a DataLoader with two workers). Needs
torch, and torchvision for E and for dataloader.
"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

import common

MODES = ["eager", "compile", "compile_graphs", "channels_last", "bf16", "channels_last_bf16", "dataloader"]


def load(directory, split, size):
    """Images, normalised and scaled to `size` pixels, and labels."""
    shape, pixels = common.read_idx(directory, f"{split}-images-idx3-ubyte")
    _, labels = common.read_idx(directory, f"{split}-labels-idx1-ubyte")
    x = torch.frombuffer(pixels, dtype=torch.uint8).reshape(shape)[:, None].float() / 255
    if size != 28:
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return x.sub_(common.MEAN).div_(common.STD), torch.frombuffer(labels, dtype=torch.uint8).long()


class LeNet(nn.Module):
    """The study's LeNet-5 (tanh), or with ReLU and batch norm the modern one."""

    def __init__(self, modern):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 25, 5), nn.Conv2d(25, 84, 4)
        self.fc1, self.fc2, self.fc3 = nn.Linear(84 * 16, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.modern = modern
        if modern:
            self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(8), nn.BatchNorm2d(25), nn.BatchNorm2d(84)

    def forward(self, x):
        if self.modern:
            x = F.max_pool2d(self.bn1(F.relu(self.conv1(x))), 2)
            x = self.bn2(F.relu(self.conv2(x)))
            x = F.max_pool2d(self.bn3(F.relu(self.conv3(x))), 2).flatten(1)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = torch.tanh(self.conv2(x))
        x = F.max_pool2d(torch.tanh(self.conv3(x)), 2).flatten(1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


def mlp(*widths):
    hidden = [layer for a, b in zip((784, *widths), widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(widths[-1], 10))


def improved_cnn():
    def conv(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *conv(1, 32), *conv(32, 64), nn.MaxPool2d(2), *conv(64, 128), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(6272, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10),
    )


def resnet18():
    import torchvision

    return torchvision.models.resnet18(num_classes=10)


# Letter → network, and the side length of its images.
BUILDERS = {
    "A": (lambda: mlp(100, 100, 50), 28),
    "B": (lambda: LeNet(modern=False), 32),
    "C": (lambda: LeNet(modern=True), 32),
    "D": (improved_cnn, 28),
    "E": (resnet18, 28),
}


def build(letter):
    make, size = BUILDERS[letter]
    return make(), size


def compiled(model, mode):
    if mode == "compile":
        return torch.compile(model)
    if mode == "compile_graphs":
        return torch.compile(model, mode="reduce-overhead")
    return model


def adam(model, fused=True):
    return torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused or None)


class Trainer:
    """A network with its optimizer; `step` is what a user's training loop does."""

    def __init__(self, options):
        self.options, self.device = options, torch.device(options.device)
        model, self.size = build(options.network)
        self.channels_last, self.bf16 = options.mode.startswith("channels_last"), "bf16" in options.mode
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)
        self.model = model.to(self.device)
        self.network = compiled(self.model, options.mode)
        self.optimizer = adam(self.model, options.fused)
        self.loss = nn.CrossEntropyLoss()
        self.total = torch.zeros((), device=self.device)

    def prepare(self, x):
        if self.options.network == "E":
            x = x.expand(-1, 3, -1, -1)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def step(self, x, y):
        self.optimizer.zero_grad()
        if self.bf16:
            with torch.autocast(self.device.type, torch.bfloat16):
                loss = self.loss(self.network(self.prepare(x)), y)
        else:
            loss = self.loss(self.network(self.prepare(x)), y)
        loss.backward()
        self.optimizer.step()
        if self.device.type == "cpu":
            return loss.item()  # as every training loop does for its running loss
        # On a GPU no step waits for the loss, which is PyTorch's best case.
        self.total.add_(loss.detach())
        return 0.0

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def load(self, split):
        return [tensor.to(self.device) for tensor in load(self.options.data_dir, split, self.size)]


def batches_in_memory(trainer):
    """Batches of shuffled images without end; a rest that fills no batch is left out."""
    images, labels = trainer.load("train")
    batch = trainer.options.batch
    generator = torch.Generator().manual_seed(trainer.options.seed)
    while True:
        for picks in torch.randperm(len(images), generator=generator).split(batch):
            if len(picks) == batch:
                picks = picks.to(trainer.device)
                yield images[picks], labels[picks]


def batches_of_loader(trainer, directory):
    """Batches of torchvision's data set as a notebook loads them, without end."""
    import torchvision
    from torchvision import transforms

    raw = pathlib.Path(directory, "FashionMNIST", "raw")
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for name in (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"):
            shape, data = common.read_idx(trainer.options.data_dir, name)
            sides = b"".join(side.to_bytes(4, "big") for side in shape)
            (raw / name).write_bytes(bytes([0, 0, 8, len(shape)]) + sides + data)
    steps = [transforms.Resize((trainer.size, trainer.size))] if trainer.size != 28 else []
    steps += [transforms.ToTensor(), transforms.Normalize((common.MEAN,), (common.STD,))]
    images = torchvision.datasets.FashionMNIST(directory, train=True, transform=transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(
        images, batch_size=trainer.options.batch, shuffle=True, num_workers=2, drop_last=True
    )
    while True:
        for x, y in loader:
            yield x.to(trainer.device), y.to(trainer.device)


def speed(trainer):
    options = trainer.options
    trainer.model.train()
    with tempfile.TemporaryDirectory() as directory:
        loading = options.mode == "dataloader"
        batches = batches_of_loader(trainer, directory) if loading else batches_in_memory(trainer)
        begun = time.perf_counter()
        for _ in range(options.warmup):
            trainer.step(*next(batches))
        trainer.synchronize()
        warmup_seconds = time.perf_counter() - begun
        chunks, steps = [], max(1, options.steps // options.chunks)
        for _ in range(options.chunks):
            begun = time.perf_counter()
            for _ in range(steps):
                loss = trainer.step(*next(batches))
            trainer.synchronize()
            chunks.append(round(steps * options.batch / (time.perf_counter() - begun), 1))
        batches.close()
    return {
        "chunks": chunks, "images_per_second": round(statistics.median(chunks), 1),
        "loss": round(loss, 4), "warmup_seconds": round(warmup_seconds, 2),
    }


def accuracy(trainer):
    options = trainer.options
    (images, labels), (test_images, test_labels) = trainer.load("train"), trainer.load("t10k")
    generator = torch.Generator().manual_seed(options.seed)
    accuracies, losses, seconds = [], [], 0.0
    for _ in range(options.epochs):
        trainer.model.train()
        order, total = torch.randperm(len(images), generator=generator), 0.0
        begun = time.perf_counter()
        for picks in order.split(options.batch):
            picks = picks.to(trainer.device)
            total += trainer.step(images[picks], labels[picks]) * len(picks)
        trainer.synchronize()
        seconds += time.perf_counter() - begun
        losses.append(round(total / len(images), 4))
        trainer.model.eval()
        with torch.no_grad():
            correct = sum(
                (trainer.network(trainer.prepare(x)).argmax(1) == y).sum().item()
                for x, y in zip(test_images.split(1000), test_labels.split(1000))
            )
        accuracies.append(round(correct / len(test_images), 4))
    return {
        "seed": options.seed, "test_accuracy": accuracies, "train_loss": losses,
        "seconds_per_epoch": round(seconds / options.epochs, 2),
        "images_per_second": round(len(images) * options.epochs / seconds, 1),
    }


def network(text):
    """The letter of a network, given by letter or name."""
    named = {name: letter for letter, name in common.NETWORKS.items()}
    letter = named.get(text, text)
    if letter not in common.NETWORKS:
        raise ValueError(text)
    return letter


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=network, metavar="NETWORK")
    parser.add_argument("--task", default="speed", choices=["speed", "accuracy"])
    parser.add_argument("--mode", default="eager", choices=MODES)
    parser.add_argument("--no-fused", dest="fused", action="store_false", help="torch.optim.Adam without fused=True")
    parser.add_argument("--steps", type=int, default=200, help="steps to measure (default 200)")
    parser.add_argument("--warmup", type=int, default=10, help="steps before them (default 10)")
    parser.add_argument("--chunks", type=int, default=5, help="chunks to measure them in (default 5)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (default 64)")
    parser.add_argument("--epochs", type=int, default=3, help="with --task accuracy (default 3)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    common.add_data_dir(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    trainer = Trainer(options)
    told = {
        "fw": "torch", "name": common.NETWORKS[options.network], "mode": options.mode, "task": options.task,
        "device": options.device, "threads": options.threads, "dataset": options.data_dir.name,
        "batch_size": options.batch, "parameters": sum(p.numel() for p in trainer.model.parameters()),
    }
    told.update(speed(trainer) if options.task == "speed" else accuracy(trainer))
    told["peak_memory_bytes"] = common.peak_memory_bytes()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
