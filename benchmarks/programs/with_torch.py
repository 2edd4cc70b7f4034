"""From nothing to one epoch of `audio` in PyTorch: `python with_torch.py data.npz`."""

import json
import sys
import time

import torch

imported = time.monotonic()
import numpy as np  # noqa: E402
from torch import nn  # noqa: E402


class Net(nn.Module):
    """A recurrent layer and a logit."""

    def __init__(self, features):
        super().__init__()
        self.rnn = nn.RNN(features, 16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        """Of the last step."""
        return self.head(self.rnn(x)[0][:, -1])


data = np.load(sys.argv[1])
x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
net = Net(x.shape[2])
optimizer = torch.optim.RMSprop(net.parameters(), 1e-3, alpha=0.9)
score = nn.BCEWithLogitsLoss()
total = 0.0
parts = torch.randperm(len(x)).split(32)
for part in parts:
    optimizer.zero_grad()
    loss = score(net(x[part]), y[part])
    loss.backward()
    optimizer.step()
    total += loss.item()
print(json.dumps({"imported": imported, "trained": time.monotonic(), "loss": total / len(parts)}))
