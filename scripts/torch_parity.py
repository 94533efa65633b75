#!/usr/bin/env python3
"""Prints tests/numerics/torch_parity/values.rs: what PyTorch computes for the cases of tests/numerics/torch_parity.rs.

    python3 scripts/torch_parity.py > tests/numerics/torch_parity/values.rs

Weights and inputs come from one formula that the Rust side repeats (`fill`), so nothing is exchanged but results.
"""
import math

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def unit(stream, i):
    """A number in [-1, 1) with 24 bits, from a multiplicative hash of stream and index."""
    h = (i * 2654435761 + stream * 40503 + 12345) & 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 0x45D9F3B) & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8) / 2**23 - 1.0


def fill(stream, shape, scale=1.0):
    """The first numbers of a stream, times `scale` rounded to f32."""
    t = torch.tensor([unit(stream, i) for i in range(math.prod(shape))], dtype=torch.float32)
    return (t * torch.tensor(scale, dtype=torch.float32)).reshape(shape)


def emit(name, t):
    values = t.detach().reshape(-1).tolist() if torch.is_tensor(t) else list(t)
    text = ", ".join(f"{v:.9e}" for v in values)
    print(f"pub const {name}: [f64; {len(values)}] = [{text}];")


def leaf(stream, shape, scale=1.0):
    return fill(stream, shape, scale).requires_grad_()


def optimizers():
    cases = {
        "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
        "SGD_MOMENTUM": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "SGD_NESTEROV_DECAY": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05),
        "RMSPROP": lambda p: torch.optim.RMSprop(p, lr=0.01),
        "RMSPROP_MOMENTUM_DECAY": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.9, weight_decay=0.05),
        "ADAM": lambda p: torch.optim.Adam(p, lr=0.01),
        "ADAM_DECAY": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05),
        "ADAMW_DECAY": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05),
    }
    for name, make in cases.items():
        p = leaf(1, (6,))
        optimizer = make([p])
        for step in range(6):
            p.grad = fill(10 + step, (6,))
            optimizer.step()
        emit(name, p)


def clipping():
    p = [leaf(1, (4,)), leaf(2, (2, 3))]
    for i, q in enumerate(p):
        q.grad = fill(20 + i, q.shape, 3.0)
    norm = torch.nn.utils.clip_grad_norm_(p, 1.5)
    emit("CLIP_NORM", norm.reshape(1))
    emit("CLIPPED", torch.cat([q.grad.reshape(-1) for q in p]))


def averaging():
    model = torch.nn.Linear(3, 2, bias=False)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for step in range(4):
        with torch.no_grad():
            model.weight.copy_(fill(30 + step, (2, 3)))
        average.update_parameters(model)
    emit("AVERAGED", average.module.weight)


def losses():
    labels = torch.tensor([2, 0, 3, 3, 1])
    for name, smoothing in [("CROSS_ENTROPY", 0.0), ("CROSS_ENTROPY_SMOOTH", 0.1)]:
        logits = leaf(40, (5, 4), 3.0)
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        emit(name, loss.reshape(1))
        emit(f"{name}_GRADIENT", logits.grad)
    logits = leaf(40, (5, 4), 3.0)
    loss = F.mse_loss(logits, F.one_hot(labels, 4).float())
    loss.backward()
    emit("MSE", loss.reshape(1))
    emit("MSE_GRADIENT", logits.grad)


def batch_norm():
    for name, shape, module in [("BN2D", (3, 2, 3, 5), torch.nn.BatchNorm2d), ("BN1D", (4, 3), torch.nn.BatchNorm1d)]:
        bn = module(shape[1])
        with torch.no_grad():
            bn.weight.copy_(fill(50, (shape[1],)) + 1.5)
            bn.bias.copy_(fill(51, (shape[1],)))
        for stream in (52, 53):
            bn.zero_grad()
            x = (fill(stream, shape, 2.0) + 0.75).requires_grad_()
            y = bn(x)
            y.backward(fill(54, shape))
        emit(f"{name}_Y", y)
        emit(f"{name}_DX", x.grad)
        emit(f"{name}_DGAMMA", bn.weight.grad)
        emit(f"{name}_DBETA", bn.bias.grad)
        emit(f"{name}_MEAN", bn.running_mean)
        emit(f"{name}_VAR", bn.running_var)
        bn.eval()
        emit(f"{name}_EVAL", bn(x))


def layers():
    x, w, b = leaf(60, (2, 3, 7, 5)), leaf(61, (4, 3, 3, 3)), leaf(62, (4,))
    y = F.conv2d(x, w, b, stride=2, padding=1)
    y.backward(fill(63, y.shape))
    for name, t in [("Y", y), ("DX", x.grad), ("DW", w.grad), ("DB", b.grad)]:
        emit(f"CONV_{name}", t)
    for name, pool in [
        ("MAX_POOL", lambda x: F.max_pool2d(x, 3, 2, 1)),
        ("AVG_POOL", lambda x: F.avg_pool2d(x, 3, 2, 1)),
    ]:
        # Rounded to quarters, so that windows have ties.
        x = ((fill(64, (2, 2, 7, 6)) * 4).round() / 4).requires_grad_()
        y = pool(x)
        y.backward(fill(65, y.shape))
        emit(f"{name}_Y", y)
        emit(f"{name}_DX", x.grad)
    x, w, b = leaf(66, (3, 5)), leaf(67, (4, 5)), leaf(68, (4,))
    y = F.linear(x, w, b)
    y.backward(fill(69, y.shape))
    for name, t in [("Y", y), ("DX", x.grad), ("DW", w.grad), ("DB", b.grad)]:
        emit(f"LINEAR_{name}", t)
    for name, function in [
        ("RELU", F.relu),
        ("LEAKY_RELU", F.leaky_relu),
        ("GELU", F.gelu),
        ("SILU", F.silu),
        ("TANH", torch.tanh),
        ("SIGMOID", torch.sigmoid),
    ]:
        x = torch.tensor([-30.0, -3.0, -1.0, -0.25, 0.0, 0.125, 0.5, 2.0, 4.0, 30.0], requires_grad=True)
        y = function(x)
        y.sum().backward()
        emit(name, y)
        emit(f"{name}_SLOPE", x.grad)


def lenet5(modern):
    """The study's LeNet (SEED.md): conv, activation (and batch norm after it, where modern), pool."""
    nn = torch.nn
    act = nn.ReLU if modern else nn.Tanh
    norm = (lambda c: [nn.BatchNorm2d(c)]) if modern else (lambda c: [])
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), act(), *norm(8), nn.MaxPool2d(2),
        nn.Conv2d(8, 25, 5), act(), *norm(25),
        nn.Conv2d(25, 84, 4), act(), *norm(84), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1344, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10),
    )  # fmt: skip


def training():
    for name, modern in [("LENET5", False), ("MODERN_LENET", True)]:
        model = lenet5(modern)
        with torch.no_grad():
            for i, module in enumerate(m for m in model if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))):
                bound = 1 / math.sqrt(math.prod(module.weight.shape[1:]))
                module.weight.copy_(fill(100 + 2 * i, module.weight.shape, bound))
                module.bias.copy_(fill(101 + 2 * i, module.bias.shape, bound))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for step in range(10):
            x = fill(200 + step % 2, (8, 1, 32, 32), 1.7)
            labels = torch.tensor([(3 * i + step % 2) % 10 for i in range(8)])
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        emit(f"{name}_LOSSES", losses)
        model.eval()
        emit(f"{name}_LOGITS", model(fill(300, (2, 1, 32, 32), 1.7)))


print("//! Written by scripts/torch_parity.py with PyTorch " + torch.__version__.split("+")[0] + ".\n")
print("#![allow(clippy::unreadable_literal, clippy::excessive_precision, reason = \"printed by a script\")]\n")
for part in (optimizers, clipping, averaging, losses, batch_norm, layers, training):
    part()
