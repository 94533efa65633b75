"""The residual networks for 32 × 32 images (He et al. 2015, section 4.2) in plain PyTorch; torchvision has none."""
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut without weights (option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.stride, self.missing = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        short = x[:, :, :: self.stride, :: self.stride]
        return self.relu2(y + F.pad(short, (0, 0, 0, 0, self.missing, self.missing)))


class CifarResNet(nn.Module):
    """ResNet-(6·blocks + 2)."""

    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()

        def stage(a, b, s):
            return nn.Sequential(Block(a, b, s), *[Block(b, b, 1) for _ in range(blocks - 1)])

        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))
